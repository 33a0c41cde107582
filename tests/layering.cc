#include "tests/layering.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

namespace gfn {
namespace {

using Names = std::vector<std::string>;

// Folders that hold code of this project; the first part of every quoted include that is ours.
constexpr std::array<std::string_view, 8> kOurRoots = {"gflownet", "llm", "lvm", "report", "tasks", "app", "tools", "tests"};
constexpr std::array<std::string_view, 8> kThirdParty = {"absl",     "gtest", "gmock",      "nlohmann",
                                                         "yaml-cpp", "CLI",   "rapidcheck", "benchmark"};
constexpr size_t kMostLines = 400;
// Files that may be longer, with the reason.
const std::map<std::string, std::string, std::less<>>& LongFiles() {
  static const std::map<std::string, std::string, std::less<>> files = {};
  return files;
}

Names operator+(Names a, const Names& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

bool StartsWithFolder(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/';
}

// "tasks/*" against "tasks/infill/x.h" is "tasks/infill"; "" if the pattern does not cover the path.
std::string Covered(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with("/*")) return StartsWithFolder(path, pattern) ? std::string(pattern) : "";
  const std::string_view parent = pattern.substr(0, pattern.size() - 2);
  if (!StartsWithFolder(path, parent)) return "";
  const size_t end = path.find('/', parent.size() + 1);
  return end == std::string_view::npos ? "" : std::string(path.substr(0, end));
}

const Layer* RowOf(std::string_view path) {
  const Layer* best = nullptr;
  for (const Layer& layer : Layers()) {
    if (!Covered(layer.folder, path).empty() && (best == nullptr || layer.folder.size() > best->folder.size())) best = &layer;
  }
  return best;
}

bool IsTest(std::string_view path) {
  return path.ends_with("_test.cc") || path.starts_with("tests/") || path.find("/test_") != std::string_view::npos ||
         path.find("_test_") != std::string_view::npos;
}

// The included path of a line, or "".
std::string_view IncludedPath(std::string_view line) {
  const auto skip_spaces = [&line] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
  skip_spaces();
  if (!line.starts_with('#')) return "";
  line.remove_prefix(1);
  skip_spaces();
  if (!line.starts_with("include")) return "";
  line.remove_prefix(7);
  skip_spaces();
  const size_t end = line.find_first_of("\">", 1);
  return line.empty() || end == std::string_view::npos ? "" : line.substr(1, end - 1);
}

std::string_view FirstPart(std::string_view path) { return path.substr(0, path.find('/')); }

template <class List>
bool Contains(const List& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Why `path` may not include `target`, or "".
std::string RefusedInclude(std::string_view path, std::string_view target, bool quoted) {
  const Layer* layer = RowOf(path);
  if (layer == nullptr) return "the folder has no row in the table of tests/layering.cc";
  const std::string_view root = FirstPart(target);
  if (root == "torch" || root == "ATen" || root == "c10") {
    if (target == "torch/torch.h") return "torch/torch.h takes 12 s to compile; include what is used";
    if (!layer->torch) return layer->folder + " is free of LibTorch";
    if (path.ends_with(".h") && target != "ATen/core/Tensor.h") return "a header includes ATen/core/Tensor.h of LibTorch at most";
    return "";
  }
  if (!quoted || Contains(kThirdParty, root)) return "";
  if (!Contains(kOurRoots, root)) return "includes are written from the root of the project";
  const std::optional<std::string> from = LayerOf(path), to = LayerOf(target);
  if (!to.has_value()) return "the folder has no row in the table of tests/layering.cc";
  if (*from == *to || (IsTest(path) && *to == "tests/support")) return "";
  for (const std::string& allowed : layer->may_include) {
    if (Covered(allowed, target) == *to) return "";
  }
  return *from + " must not include " + *to;
}

// Text that no source file holds, and why. In pieces, so that this file passes its own check.
struct Refused {
  std::string text;
  std::string why;
  bool in_tests;  // whether tests are held to it too
};
const std::vector<Refused>& RefusedTexts() {
  const std::string random = "random numbers are addressed draws of gflownet/base/rng.h";
  static const std::vector<Refused> texts = {{std::string("manual") + "_seed", random, true},
                                             {std::string("at::") + "Generator", random, true},
                                             {std::string("at::") + "rand", random, true},
                                             {std::string("torch::") + "rand", random, true},
                                             {std::string("at::") + "normal(", random, true},
                                             {std::string("at::") + "bernoulli", random, true},
                                             {std::string("at::") + "multinomial", random, true},
                                             {std::string(".uni") + "form_(", random, true},
                                             {std::string(".nor") + "mal_(", random, true},
                                             {std::string(".ran") + "dom_(", random, true},
                                             {std::string("std::random") + "_device", random, true},
                                             {std::string("std::mt") + "19937", random, false},
                                             {std::string("TO") + "DO", "unfinished work belongs into an issue", true},
                                             {std::string("FIX") + "ME", "unfinished work belongs into an issue", true}};
  return texts;
}

template <class Visit>
void ForEachLine(std::string_view text, Visit visit) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    visit(number, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string At(std::string_view path, size_t line, const std::string& what) {
  return std::string(path) + ":" + std::to_string(line) + ": " + what;
}

// Parallel regions of OpenMP behind which no exception is thrown again (gflownet/base/parallel_errors.h).
std::vector<std::string> UnguardedRegions(std::string_view path, std::string_view text) {
  std::vector<std::string> problems;
  size_t open = 0;  // the line of a region that waits for its Rethrow
  const auto close = [&] {
    if (open == 0) return;
    problems.push_back(At(path, open,
                          "an exception that leaves this region ends the process: run what may throw in "
                          "ParallelErrors, and call its Rethrow behind the region"));
  };
  ForEachLine(text, [&](size_t number, std::string_view line) {
    const size_t pragma = line.find_first_not_of(' ');
    if (pragma == line.npos) return;
    line.remove_prefix(pragma);
    if (line.starts_with("#pragma omp parallel") || line.starts_with("_Pragma(\"omp parallel")) {
      close();
      open = number;
    } else if (line.find(".Rethrow();") != line.npos) {
      open = 0;
    }
  });
  close();
  return problems;
}

}  // namespace

const std::vector<Layer>& Layers() {
  static const std::vector<Layer> layers = [] {
    const Names base = {"gflownet/base"}, tensor = base + Names{"gflownet/kernels", "gflownet/tensor"},
                train = tensor + Names{"gflownet/train"}, core = train + Names{"gflownet/nets", "gflownet/core"},
                tensor_only = base + Names{"gflownet/tensor"},  // what the language model's engine needs of gflownet
        files = tensor_only + Names{"llm/format"}, model = files + Names{"llm/kernels"}, lora = model + Names{"llm/model"},
                generate = lora + Names{"llm/lora", "llm/tokenizer"}, engine = generate + Names{"llm/generate", "llm/metrics"};
    const Names below_tasks =
        core + engine + Names{"gflownet/env", "gflownet/estimate", "gflownet/decoding", "llm/gfn", "lvm", "lvm/*", "report"};
    const Names below_app = below_tasks + Names{"tasks", "tasks/*"};
    return std::vector<Layer>{
        {"gflownet/base", {}, false},
        {"gflownet/kernels", base, false},
        {"gflownet/tensor", base},
        {"gflownet/train", tensor},
        {"gflownet/nets", tensor},
        {"gflownet/core", train + Names{"gflownet/nets"}},
        {"gflownet/env", core},
        {"gflownet/estimate", core + Names{"gflownet/env"}},
        {"gflownet/decoding", core + Names{"gflownet/env", "gflownet/estimate"}},
        {"lvm", core + Names{"gflownet/env"}},  // the EM driver knows no language model
        {"lvm/*", core + Names{"gflownet/env", "lvm"}},
        {"report", base, false},
        {"llm/metrics", base, false},
        {"llm/format", tensor_only},
        {"llm/tokenizer", base + Names{"llm/format"}, false},
        {"llm/kernels", base},
        {"llm/model", model},
        {"llm/lora", lora},
        {"llm/generate", generate},
        {"llm/scratch", lora + Names{"gflownet/nets"}},           // decoders that are trained, of the networks' modules
        {"llm/gfn", core + engine + Names{"gflownet/estimate"}},  // the only folder of llm that knows gflownet/core
        {"tasks/task",
         core + Names{"report", "llm/lora", "llm/model", "lvm"}},  // the settings of a run name the model's and adapter's keys
        {"tasks/world",
         core + Names{"gflownet/env", "gflownet/estimate", "lvm", "lvm/*", "report", "tasks/task"}},  // knows no language model
        {"tasks/text", below_tasks + Names{"tasks/task"}},
        {"tasks/*", below_tasks + Names{"tasks/task", "tasks/text"}},
        {"tasks", below_tasks + Names{"tasks/*"}},
        {"app", below_app},
        {"tools/gfn", base + Names{"app"}, false},
        {"tests/support", below_tasks},
        {"tests/*", below_app + Names{"app", "tests", "tests/support"}},
        {"tests", below_app + Names{"app", "tests/support"}},
        {"examples/*", core + Names{"gflownet/env", "lvm", "app"}},  // built outside the tree, from the installed headers
        {"cmake", {}},                                               // the precompiled header
    };
  }();
  return layers;
}

std::optional<std::string> LayerOf(std::string_view path) {
  const Layer* layer = RowOf(path);
  if (layer == nullptr) return std::nullopt;
  return Covered(layer->folder, path);
}

std::vector<std::string> CheckSource(std::string_view path, std::string_view text) {
  std::vector<std::string> problems;
  size_t num_lines = 0;
  bool has_pragma = false;
  ForEachLine(text, [&](size_t number, std::string_view line) {
    num_lines = number;
    has_pragma = has_pragma || line == "#pragma once";
    const std::string_view included = IncludedPath(line);
    // The precompiled header is where LibTorch's headers are gathered.
    if (!included.empty() && path != "cmake/pch.h") {
      const bool quoted = line.find('"') != std::string_view::npos;
      const std::string why = RefusedInclude(path, included, quoted);
      if (!why.empty()) problems.push_back(At(path, number, "#include of " + std::string(included) + ": " + why));
    }
    for (const Refused& refused : RefusedTexts()) {
      if ((refused.in_tests || !IsTest(path)) && line.find(refused.text) != std::string_view::npos) {
        problems.push_back(At(path, number, refused.text + ": " + refused.why));
      }
    }
  });
  for (std::string& problem : UnguardedRegions(path, text)) problems.push_back(std::move(problem));
  if (path.ends_with(".h") && !has_pragma) problems.push_back(At(path, 1, "no #pragma once"));
  if (num_lines > kMostLines && !LongFiles().contains(path)) {
    problems.push_back(At(path, num_lines,
                          std::to_string(num_lines) + " lines, " + std::to_string(kMostLines) +
                              " are the limit; split the file, or name the reason in tests/layering.cc"));
  }
  return problems;
}

std::vector<std::string> CheckText(std::string_view path, std::string_view text) {
  static const std::vector<std::string> folders = {std::string("/wo") + "rk/", std::string("/ho") + "me/",
                                                   std::string("/ro") + "ot/", std::string("/tm") + "p/"};
  std::vector<std::string> problems;
  ForEachLine(text, [&](size_t number, std::string_view line) {
    for (const std::string& folder : folders) {
      for (size_t at = line.find(folder); at != std::string_view::npos; at = line.find(folder, at + 1)) {
        const char before = at == 0 ? ' ' : line[at - 1];  // "a/home/b" and "https://x.org/home/" are no such path
        if (std::isalnum(static_cast<unsigned char>(before)) != 0 || before == '.' || before == '_' || before == '-' ||
            before == '}') {
          continue;
        }
        problems.push_back(At(path, number, folder + " is a path of one machine"));
      }
    }
  });
  return problems;
}

}  // namespace gfn
