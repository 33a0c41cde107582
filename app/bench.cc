#include "app/bench.h"

#include "app/app.h"

namespace gfn {

// A story's beginning and end for every benchmark: real text, so that sampling and its caches see what they see in use.
const char* const kBenchBeginning =
    "The ferry was late, and Nadia stood at the end of the pier with a suitcase that had belonged to her grandmother. She had "
    "packed "
    "it twice and still did not know what she would need on the island. A boy sold roasted nuts from a cart, and the smell of "
    "sugar "
    "drifted over the water. Behind her two men argued about the weather, and neither of them looked at the sky. When the horn "
    "sounded at last, everybody moved at once.";
const char* const kBenchEnding =
    "By the time the lights of the harbour came into view, she had made up her mind to stay for the whole winter and to write "
    "home.";

std::string BenchModel(const BenchCommand& command) {
  return command.model.empty() ? ".deps/models/SmolLM2-135M-Instruct.Q4_1.gguf" : command.model;
}

std::vector<int32_t> FirstTokens(const Tokenizer& tokenizer, const std::string& text, int64_t count) {
  const std::vector<int32_t> once = tokenizer.Encode(text);
  std::vector<int32_t> ids;
  while (static_cast<int64_t>(ids.size()) < count) ids.insert(ids.end(), once.begin(), once.end());
  ids.resize(static_cast<size_t>(count));
  return ids;
}

Status Bench(const BenchCommand& command) {
  if (command.what == "core") return BenchCore(command);
  if (command.what == "decode") return BenchDecode(command);
  if (command.what == "rounding") return BenchRounding(command);
  if (command.what == "infill") return command.sweep.empty() ? BenchInfill(command) : BenchSweep(command);
  return InvalidArgument("unknown benchmark '" + command.what + "'; known: infill, decode, rounding, core");
}

}  // namespace gfn
