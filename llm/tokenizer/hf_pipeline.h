// The steps around the model of a Hugging Face tokenizer.json (normalizer, pre_tokenizer, decoder, post_processor), read into
// the few combinations that we know. Anything else is Unimplemented: a step that is skipped would give other ids silently.
#pragma once

#include <string>
#include <variant>

#include "llm/tokenizer/byte_bpe.h"
#include "llm/tokenizer/spm_bpe.h"
#include "nlohmann/json_fwd.hpp"

namespace gfn {

struct HfSpmPipeline {
  SpmBpeSpec spec;
  bool drops_first_space = false;
};

// Byte-level: pre-tokeniser ByteLevel, alone (GPT-2's pattern), behind Digits(individual) (smollm), or behind Split with the
// pattern of Llama 3 or Qwen2; normaliser none or NFC.
// SentencePiece-style: normaliser Prepend and Replace of spaces by the mark U+2581, or pre-tokeniser Metaspace without split.
StatusOr<std::variant<ByteBpeSpec, HfSpmPipeline>> ReadHfPipeline(const nlohmann::json& root, const std::string& path);

// True if the object has the key and its value is this.
bool JsonSays(const nlohmann::json& object, const char* key, const nlohmann::json& value);

// True if the post-processor puts a special token before the text.
bool TemplateBeginsWithSpecial(const nlohmann::json& root);

}  // namespace gfn
