#include "llm/tokenizer/hf_pipeline.h"

#include <vector>

#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;
using Pipeline = std::variant<ByteBpeSpec, HfSpmPipeline>;

constexpr char kMark[] = "\u2581";

bool IsStep(const json& step, const char* type) { return JsonSays(step, "type", type); }

// The steps in order: none for null, those inside a Sequence, or the one.
std::vector<json> Steps(const json& root, const char* section, const char* list_key) {
  const auto field = root.find(section);
  if (field == root.end() || field->is_null()) return {};
  if (!field->is_object() || !IsStep(*field, "Sequence")) return {*field};
  const auto list = field->find(list_key);
  return list != field->end() && list->is_array() ? list->get<std::vector<json>>() : std::vector<json>{*field};
}

Status Unknown(const std::string& path, const char* section, const json& root, const std::string& known) {
  const auto field = root.find(section);
  const std::string found = field == root.end() ? "null" : field->dump(-1, ' ', false, json::error_handler_t::replace);
  return Unimplemented(path + ": unknown " + section + " " + found.substr(0, 300) + "; known ones: " + known);
}

Status UnknownPreTokenizer(const std::string& path, const json& root) {
  return Unknown(path, "pre_tokenizer", root,
                 "ByteLevel without prefix space, alone or behind Digits(individual) or Split, with the rules of " +
                     KnownPreTokenizers() + "; Metaspace without split; none");
}

// The text of {"pattern": {"Regex": "..."}} or {"pattern": {"String": "..."}}.
std::string PatternOf(const json& step, const char* kind) {
  const auto pattern = step.find("pattern");
  if (pattern == step.end() || !pattern->is_object()) return "";
  const auto text = pattern->find(kind);
  return text != pattern->end() && text->is_string() ? text->get<std::string>() : "";
}

std::optional<PreTokenizerKind> ByteLevelRule(const std::vector<json>& steps) {
  const json& last = steps.back();
  if (!JsonSays(last, "add_prefix_space", false)) return std::nullopt;
  const bool use_regex = !JsonSays(last, "use_regex", false);  // true where it is not said
  if (steps.size() == 1 && use_regex) return PreTokenizerKind::kGpt2;
  if (steps.size() != 2) return std::nullopt;
  const json& first = steps.front();
  if (IsStep(first, "Digits") && use_regex && JsonSays(first, "individual_digits", true)) return PreTokenizerKind::kSmollm;
  if (IsStep(first, "Split") && !use_regex && JsonSays(first, "behavior", "Isolated") && !JsonSays(first, "invert", true)) {
    return PreTokenizerFromPattern(PatternOf(first, "Regex"));
  }
  return std::nullopt;
}

StatusOr<Pipeline> ReadByteLevel(const json& root, const std::vector<json>& pre_tokenizers, const std::string& path) {
  ByteBpeSpec spec;
  const std::optional<PreTokenizerKind> rule = ByteLevelRule(pre_tokenizers);
  if (!rule) return UnknownPreTokenizer(path, root);
  spec.pre_tokenizer = *rule;
  const std::vector<json> normalizers = Steps(root, "normalizer", "normalizers");
  spec.normalizes_nfc = normalizers.size() == 1 && IsStep(normalizers[0], "NFC");
  if (!normalizers.empty() && !spec.normalizes_nfc) return Unknown(path, "normalizer", root, "NFC, none");
  const std::vector<json> decoders = Steps(root, "decoder", "decoders");
  if (decoders.size() != 1 || !IsStep(decoders[0], "ByteLevel"))
    return Unknown(path, "decoder", root, "ByteLevel for this pre_tokenizer");
  return Pipeline(spec);
}

// Metaspace's prepend_scheme, or add_prefix_space of older files.
std::optional<SpmBpeSpec> MetaspaceSpec(const json& step) {
  if (!JsonSays(step, "replacement", kMark) || !JsonSays(step, "split", false)) return std::nullopt;
  SpmBpeSpec spec;
  if (JsonSays(step, "prepend_scheme", "never") ||
      (!step.contains("prepend_scheme") && JsonSays(step, "add_prefix_space", false))) {
    spec.space_prefix = SpmBpeSpec::SpacePrefix::kNever;
  } else if (JsonSays(step, "prepend_scheme", "first") || JsonSays(step, "prepend_scheme", "always") ||
             JsonSays(step, "add_prefix_space", true)) {
    spec.space_prefix = SpmBpeSpec::SpacePrefix::kUnlessSpace;
    spec.prefix_behind_tokens = !JsonSays(step, "prepend_scheme", "first");
  } else {
    return std::nullopt;
  }
  return spec;
}

std::optional<SpmBpeSpec> NormalizerSpec(const std::vector<json>& steps) {
  SpmBpeSpec spec;
  spec.space_prefix = SpmBpeSpec::SpacePrefix::kNever;
  bool replaces = false;
  for (const json& step : steps) {
    if (IsStep(step, "Prepend") && JsonSays(step, "prepend", kMark) && !replaces) {
      spec.space_prefix = SpmBpeSpec::SpacePrefix::kAlways;
    } else if (IsStep(step, "Replace") && PatternOf(step, "String") == " " && JsonSays(step, "content", kMark) && !replaces) {
      replaces = true;
    } else {
      return std::nullopt;
    }
  }
  return replaces ? std::optional(spec) : std::nullopt;
}

StatusOr<Pipeline> ReadSpm(const json& root, const std::vector<json>& pre_tokenizers, const std::string& path) {
  const std::vector<json> normalizers = Steps(root, "normalizer", "normalizers");
  std::optional<SpmBpeSpec> spec;
  if (pre_tokenizers.empty()) {
    spec = NormalizerSpec(normalizers);
    if (!spec) return Unknown(path, "normalizer", root, "Prepend and Replace of ' ' by U+2581, as llama models have it");
  } else {
    if (pre_tokenizers.size() == 1 && IsStep(pre_tokenizers[0], "Metaspace") && normalizers.empty())
      spec = MetaspaceSpec(pre_tokenizers[0]);
    if (!spec) return UnknownPreTokenizer(path, root);
  }
  HfSpmPipeline pipeline{*spec, false};
  for (const json& step : Steps(root, "decoder", "decoders")) {
    if (IsStep(step, "Strip")) {
      pipeline.drops_first_space = JsonSays(step, "content", " ") && JsonSays(step, "start", 1) && JsonSays(step, "stop", 0);
      if (!pipeline.drops_first_space) return Unknown(path, "decoder", root, "Strip of one space at the start");
    } else if (IsStep(step, "Metaspace")) {
      pipeline.drops_first_space = spec->space_prefix != SpmBpeSpec::SpacePrefix::kNever;
    } else if (!IsStep(step, "Replace") && !IsStep(step, "ByteFallback") && !IsStep(step, "Fuse")) {
      return Unknown(path, "decoder", root, "Replace, ByteFallback, Fuse, Strip, Metaspace");
    }
  }
  return Pipeline(pipeline);
}

}  // namespace

bool JsonSays(const json& object, const char* key, const json& value) {
  const auto field = object.find(key);
  return field != object.end() && *field == value;
}

StatusOr<Pipeline> ReadHfPipeline(const json& root, const std::string& path) {
  const std::vector<json> pre_tokenizers = Steps(root, "pre_tokenizer", "pretokenizers");
  if (!pre_tokenizers.empty() && IsStep(pre_tokenizers.back(), "ByteLevel")) return ReadByteLevel(root, pre_tokenizers, path);
  return ReadSpm(root, pre_tokenizers, path);
}

bool TemplateBeginsWithSpecial(const json& root) {
  for (const json& step : Steps(root, "post_processor", "processors")) {
    if (!IsStep(step, "TemplateProcessing")) continue;
    const auto single = step.find("single");
    if (single != step.end() && single->is_array() && !single->empty() && single->front().is_object()) {
      return single->front().contains("SpecialToken");
    }
  }
  return false;
}

}  // namespace gfn
