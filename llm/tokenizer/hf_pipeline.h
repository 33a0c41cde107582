// The steps around the model of a Hugging Face tokenizer.json (normalizer, pre_tokenizer, decoder, post_processor), read into
// the few combinations that we know. Anything else is Unimplemented: a step that is skipped would give other ids silently.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "llm/tokenizer/byte_bpe.h"
#include "llm/tokenizer/hf_config.h"
#include "llm/tokenizer/spm_bpe.h"
#include "nlohmann/json_fwd.hpp"

namespace gfn {

struct HfSpmPipeline {
  SpmBpeSpec spec;
  bool drops_first_space = false;
};

struct HfPipeline {
  std::variant<ByteBpeSpec, HfSpmPipeline> model;
  bool normalizes = false;  // there is a normaliser
};

// Byte-level: pre-tokeniser ByteLevel, alone (GPT-2's pattern), behind Digits(individual) (smollm), or behind Split with the
// pattern of Llama 3 or Qwen2; normaliser none or NFC.
// SentencePiece-style: normaliser Prepend and Replace of spaces by the mark U+2581, or pre-tokeniser Metaspace without split.
// `folder` says what the tokenizer's class has to say about it.
StatusOr<HfPipeline> ReadHfPipeline(const nlohmann::json& root, const HfFolder& folder, const std::string& path);

// The ids that the post-processor puts before and behind a text: none, ByteLevel (which adds none), TemplateProcessing,
// BertProcessing, RobertaProcessing, or a Sequence of them in which one adds ids.
struct HfTemplate {
  std::vector<int32_t> leading, trailing;
};
StatusOr<HfTemplate> ReadHfTemplate(const nlohmann::json& root, const std::string& path);

// True if the object has the key and its value is this.
bool JsonSays(const nlohmann::json& object, const char* key, const nlohmann::json& value);

}  // namespace gfn
