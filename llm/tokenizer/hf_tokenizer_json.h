// The JSON of a tokenizer that GGUF or llama2.c bring. Internal to llm/tokenizer; use ExportTokenizer (hf_tokenizer_writer.h).
#pragma once

#include <string>

#include "gflownet/base/status.h"
#include "llm/tokenizer/loaders.h"
#include "llm/tokenizer/tokenizer.h"
#include "nlohmann/json.hpp"

namespace gfn {

struct HfTokenizerFiles {
  nlohmann::json tokenizer;  // tokenizer.json
  nlohmann::json config;     // tokenizer_config.json
};

// `tokenizer` is the one that was loaded from the same file: what it calls special, and what it puts before a text, are written.
StatusOr<HfTokenizerFiles> HfFilesOfGguf(const GgufFile& file, const Tokenizer& tokenizer);
StatusOr<HfTokenizerFiles> HfFilesOfLlama2c(const ScoredPieces& pieces, const Tokenizer& tokenizer);

}  // namespace gfn
