#include "tests/layering.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "gflownet/base/file_util.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Paths from the root of all files of the tree, without links, what git ignores (.gitignore), and hidden folders of git and
// editors.
std::vector<std::string> TreeFiles() {
  const std::filesystem::path root = GFN_SOURCE_DIR;
  const std::vector<std::string> ignored = {"build", "runs", "compile_commands.json"};  // of the root
  std::vector<std::string> files;
  for (auto entry = std::filesystem::recursive_directory_iterator(root); entry != std::filesystem::end(entry); ++entry) {
    const std::string path = entry->path().lexically_relative(root).generic_string();
    const bool is_ignored =
        std::find(ignored.begin(), ignored.end(), path) != ignored.end() || (path.starts_with(".") && !path.starts_with(".ci"));
    if (is_ignored || entry->path().filename() == "__pycache__") {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && !entry->is_symlink()) {
      files.push_back(path);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool EndsWithAny(const std::string& path, const std::vector<std::string>& ends) {
  return std::any_of(ends.begin(), ends.end(), [&](const std::string& end) { return path.ends_with(end); });
}

TEST(Layering, TheTreeKeepsItsRules) {
  size_t num_sources = 0;
  for (const std::string& path : TreeFiles()) {
    if (EndsWithAny(path, {".safetensors", ".gguf", ".bin", ".model", ".gz", ".png", ".zip"})) continue;
    const auto text = ReadFile(JoinPath(GFN_SOURCE_DIR, path));
    ASSERT_TRUE(text.ok()) << text.status();
    for (const std::string& problem : CheckText(path, *text)) ADD_FAILURE() << problem;
    if (!EndsWithAny(path, {".h", ".cc", ".cu", ".cuh"})) continue;
    ++num_sources;
    for (const std::string& problem : CheckSource(path, *text)) ADD_FAILURE() << problem;
  }
  EXPECT_GT(num_sources, 100u) << "the walk over the tree found too little";
}

// The table itself: every edge leads to a row above it, so there are no cycles; siblings of one wildcard never meet.
TEST(Layering, EdgesPointDownOnly) {
  std::vector<std::string> above;
  for (const Layer& layer : Layers()) {
    for (const std::string& target : layer.may_include) {
      const bool tests_in_folders = layer.folder == "tests/*" && target == "tests";
      EXPECT_TRUE(tests_in_folders || std::find(above.begin(), above.end(), target) != above.end())
          << layer.folder << " -> " << target;
    }
    above.push_back(layer.folder);
  }
}

TEST(Layering, OnlyLlmGfnKnowsBothWorlds) {
  for (const Layer& layer : Layers()) {
    if (!layer.folder.starts_with("llm/") || layer.folder == "llm/gfn") continue;
    for (const std::string& target : layer.may_include) {
      // The trained modules hold no GFlowNet: decoders made of them stay usable without one.
      if (layer.folder == "llm/scratch" && target == "gflownet/nets") continue;
      EXPECT_THAT(target, ::testing::AnyOf("gflownet/base", "gflownet/tensor", HasSubstr("llm/"))) << layer.folder;
    }
  }
}

TEST(Layering, NamesLayers) {
  EXPECT_EQ(LayerOf("llm/model/forest.h"), "llm/model");
  EXPECT_EQ(LayerOf("tasks/build.h"), "tasks");
  EXPECT_EQ(LayerOf("tasks/infill/task.h"), "tasks/infill");
  EXPECT_EQ(LayerOf("tests/support/tolerance.h"), "tests/support");
  EXPECT_EQ(LayerOf("tests/layering.h"), "tests");
  EXPECT_EQ(LayerOf("gflownet/new_folder/x.h"), std::nullopt);
  EXPECT_EQ(LayerOf("llm/x.h"), std::nullopt);
}

// A planted violation is found, at its line.
std::vector<std::string> Included(const std::string& path, const std::string& line) {
  return CheckSource(path, "#pragma once\n" + line + "\n");
}

TEST(Layering, RefusesEdgesThatAreNotInTheTable) {
  EXPECT_THAT(
      Included("gflownet/base/a.h", "#include \"gflownet/tensor/b.h\""),
      ElementsAre("gflownet/base/a.h:2: #include of gflownet/tensor/b.h: gflownet/base must not include gflownet/tensor"));
  const std::vector<std::pair<std::string, std::string>> refused = {{"gflownet/tensor/a.cc", "gflownet/core/b.h"},
                                                                    {"gflownet/train/a.h", "gflownet/core/b.h"},
                                                                    {"gflownet/train/a.h", "gflownet/nets/b.h"},
                                                                    {"gflownet/nets/a.h", "gflownet/train/b.h"},
                                                                    {"gflownet/core/a.h", "gflownet/env/b.h"},
                                                                    {"gflownet/core/a.h", "llm/model/b.h"},
                                                                    {"llm/model/a.cc", "gflownet/core/b.h"},
                                                                    {"llm/model/a.cc", "llm/lora/b.h"},
                                                                    {"llm/generate/a.cc", "gflownet/train/b.h"},
                                                                    {"llm/kernels/a.cc", "gflownet/tensor/b.h"},
                                                                    {"llm/tokenizer/a.h", "llm/model/b.h"},
                                                                    {"llm/gfn/a.h", "tasks/b.h"},
                                                                    {"report/a.h", "llm/metrics/b.h"},
                                                                    {"tasks/infill/a.h", "tasks/build.h"},
                                                                    {"tasks/infill/a.h", "tasks/arithmetic/b.h"},
                                                                    {"tasks/build.cc", "app/b.h"},
                                                                    {"tasks/world/a.cc", "llm/model/b.h"},
                                                                    {"llm/gfn/a.cc", "report/report.h"},
                                                                    {"tools/gfn/main.cc", "tasks/build.h"},
                                                                    {"llm/model/a.cc", "tests/support/b.h"},
                                                                    {"gflownet/new_folder/a.h", "gflownet/base/b.h"},
                                                                    {"llm/model/a.cc", "gflownet/new_folder/b.h"},
                                                                    {"llm/model/a_test.cc", "gflownet/core/b.h"},
                                                                    {"llm/model/a.cc", "forest.h"},
                                                                    {"llm/model/a.cc", "../format/b.h"}};
  for (const auto& [from, to] : refused) {
    EXPECT_EQ(Included(from, "#include \"" + to + "\"").size(), 1u) << from << " -> " << to;
    EXPECT_EQ(Included(from, "  #  include  \"" + to + "\"  // why").size(), 1u) << from << " -> " << to;
  }
}

TEST(Layering, AllowsTheEdgesOfTheTable) {
  const std::vector<std::pair<std::string, std::string>> allowed = {{"gflownet/tensor/a.cc", "gflownet/base/b.h"},
                                                                    {"gflownet/core/a.h", "gflownet/train/b.h"},
                                                                    {"gflownet/core/a.h", "gflownet/nets/b.h"},
                                                                    {"gflownet/nets/a.h", "gflownet/tensor/b.h"},
                                                                    {"llm/gfn/a.h", "gflownet/core/b.h"},
                                                                    {"llm/gfn/a.h", "llm/generate/b.h"},
                                                                    {"tasks/build.cc", "tasks/infill/b.h"},
                                                                    {"tasks/infill/a.cc", "llm/gfn/b.h"},
                                                                    {"app/a.cc", "report/report.h"},
                                                                    {"app/a.cc", "tasks/infill/b.h"},
                                                                    {"tools/gfn/main.cc", "app/b.h"},
                                                                    {"llm/model/a_test.cc", "tests/support/b.h"},
                                                                    {"tests/integration/a_test.cc", "app/train.h"},
                                                                    {"llm/model/a.h", "llm/model/b.h"},
                                                                    {"llm/model/a.cc", "nlohmann/json.hpp"}};
  for (const auto& [from, to] : allowed) {
    EXPECT_THAT(Included(from, "#include \"" + to + "\""), IsEmpty()) << from << " -> " << to;
  }
  EXPECT_THAT(Included("llm/model/a.h", "#include <vector>"), IsEmpty());
}

TEST(Layering, KeepsLibTorchOutOfHeaders) {
  const auto count = [](const std::string& path, const std::string& target) {
    return Included(path, "#include <" + target + ">").size();
  };
  EXPECT_EQ(count("llm/model/a.h", "ATen/core/Tensor.h"), 0u);
  EXPECT_EQ(count("llm/model/a.h", "ATen/ATen.h"), 1u);
  EXPECT_EQ(count("llm/model/a.h", "c10/util/BFloat16.h"), 1u);
  EXPECT_EQ(count("llm/model/a.cc", "ATen/ATen.h"), 0u);
  EXPECT_EQ(count("llm/model/a.cc", "torch/torch.h"), 1u);
  EXPECT_EQ(count("report/a.cc", "ATen/core/Tensor.h"), 1u);
  EXPECT_EQ(count("gflownet/base/a.h", "ATen/core/Tensor.h"), 1u);
}

TEST(Layering, RefusesGlobalRandomnessAndUnfinishedWork) {
  const auto count = [](const std::string& path, const std::string& line) { return CheckSource(path, line + "\n").size(); };
  for (const std::string& line :
       {std::string("torch::manual") + "_seed(1);", std::string("at::") + "Generator g;",
        std::string("auto x = at::") + "randn({2});", std::string("x.nor") + "mal_();", std::string("// TO") + "DO: later"}) {
    EXPECT_EQ(count("llm/model/a.cc", line), 1u) << line;
    EXPECT_EQ(count("llm/model/a_test.cc", line), 1u) << line;
  }
  const std::string engine = std::string("std::mt") + "19937 engine;";
  EXPECT_EQ(count("llm/model/a.cc", engine), 1u);
  EXPECT_EQ(count("llm/model/a_test.cc", engine), 0u);
  EXPECT_EQ(count("llm/model/a.cc", "int x = 1;"), 0u);
}

TEST(Layering, RefusesParallelRegionsThatAnExceptionCanLeave) {
  const std::string region = "#pragma omp parallel for\nfor (;;) Work();\n", guarded = region + "errors.Rethrow();\n";
  EXPECT_THAT(CheckSource("llm/kernels/a.cc", guarded + guarded), IsEmpty());
  EXPECT_THAT(CheckSource("llm/kernels/a.cc", region), ElementsAre(HasSubstr("llm/kernels/a.cc:1: an exception")));
  EXPECT_THAT(CheckSource("llm/kernels/a.cc", "  " + region + guarded), ElementsAre(HasSubstr("llm/kernels/a.cc:1: ")));
  EXPECT_THAT(CheckSource("llm/kernels/a.cc", guarded + region), ElementsAre(HasSubstr("llm/kernels/a.cc:4: ")));
  EXPECT_THAT(CheckSource("llm/kernels/a.cc", "#pragma omp for\n"), IsEmpty()) << "it belongs to a region";
}

TEST(Layering, RefusesLongFilesAndHeadersWithoutAGuard) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "\n";
  EXPECT_THAT(CheckSource("app/a.cc", text), IsEmpty());
  EXPECT_THAT(CheckSource("app/a.cc", text + "\n"), ElementsAre(HasSubstr("app/a.cc:401: 401 lines")));
  EXPECT_THAT(CheckSource("app/a.h", "int x;\n"), ElementsAre("app/a.h:1: no #pragma once"));
}

TEST(Layering, RefusesPathsOfOneMachine) {
  const std::string home = std::string("/ho") + "me/";
  EXPECT_THAT(CheckText("docs/a.md", "see\n" + home + "me/x\n"), ElementsAre(HasSubstr("docs/a.md:2: ")));
  EXPECT_EQ(CheckText("a.sh", "cd \"" + home + "x\"").size(), 1u);
  EXPECT_EQ(CheckText("a.sh", std::string("X=/wo") + "rk/y").size(), 1u);
  EXPECT_THAT(CheckText("a.md", "https://example.org" + home + "x and a" + home + "b and ../shared/data"), IsEmpty());
}

}  // namespace
}  // namespace gfn
