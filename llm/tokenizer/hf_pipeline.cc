#include "llm/tokenizer/hf_pipeline.h"

#include <vector>

#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

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
                 "ByteLevel, alone or behind Split or (without prefix space) Digits(individual), with the rules of " +
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

StatusOr<HfPipeline> ReadByteLevel(const json& root, const HfFolder& folder, const std::vector<json>& pre_tokenizers,
                                   const std::string& path) {
  ByteBpeSpec spec;
  const std::optional<PreTokenizerKind> rule = ByteLevelRule(pre_tokenizers);
  if (!rule) return UnknownPreTokenizer(path, root);
  spec.pre_tokenizer = *rule;
  // True where the file does not say.
  spec.adds_prefix_space = folder.ByteLevelPrefixSpace().value_or(!JsonSays(pre_tokenizers.back(), "add_prefix_space", false));
  if (spec.adds_prefix_space && *rule == PreTokenizerKind::kSmollm) return UnknownPreTokenizer(path, root);
  const std::vector<json> normalizers = Steps(root, "normalizer", "normalizers");
  spec.normalizes_nfc = normalizers.size() == 1 && IsStep(normalizers[0], "NFC");
  if (!normalizers.empty() && !spec.normalizes_nfc) return Unknown(path, "normalizer", root, "NFC, none");
  const std::vector<json> decoders = Steps(root, "decoder", "decoders");
  if (decoders.size() != 1 || !IsStep(decoders[0], "ByteLevel"))
    return Unknown(path, "decoder", root, "ByteLevel for this pre_tokenizer");
  return HfPipeline{spec, spec.normalizes_nfc};
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

// Gemma cuts at spaces, of which its normalizer has left none.
bool CutsAtSpaces(const std::vector<json>& steps) {
  return steps.size() == 1 && IsStep(steps[0], "Split") && PatternOf(steps[0], "String") == " ";
}

// What a class that builds its own pre-tokeniser makes of it.
SpmBpeSpec LlamaSpec(const HfFolder& folder, SpmBpeSpec spec) {
  spec.space_prefix =
      folder.add_prefix_space.value_or(true) ? SpmBpeSpec::SpacePrefix::kUnlessSpace : SpmBpeSpec::SpacePrefix::kNever;
  spec.prefix_behind_tokens = folder.PrefixesBehindTokens();
  return spec;
}

StatusOr<HfPipeline> ReadSpm(const json& root, const HfFolder& folder, const std::vector<json>& pre_tokenizers,
                             const std::string& path) {
  const std::vector<json> normalizers = Steps(root, "normalizer", "normalizers");
  std::optional<SpmBpeSpec> spec;
  if (pre_tokenizers.empty() || CutsAtSpaces(pre_tokenizers)) {
    spec = NormalizerSpec(normalizers);
    if (!spec) return Unknown(path, "normalizer", root, "Prepend and Replace of ' ' by U+2581, as llama models have it");
  } else {
    if (pre_tokenizers.size() == 1 && IsStep(pre_tokenizers[0], "Metaspace") && normalizers.empty())
      spec = MetaspaceSpec(pre_tokenizers[0]);
    if (!spec) return UnknownPreTokenizer(path, root);
  }
  if (folder.IsLlama()) spec = LlamaSpec(folder, *spec);
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
  if (folder.IsLlama()) pipeline.drops_first_space = spec->space_prefix != SpmBpeSpec::SpacePrefix::kNever;
  return HfPipeline{pipeline, !normalizers.empty() && !folder.IsLlama()};
}

Status UnknownPostProcessor(const std::string& path, const json& root) {
  return Unknown(path, "post_processor", root,
                 "ByteLevel, TemplateProcessing with one text in `single`, BertProcessing, RobertaProcessing, a Sequence of them "
                 "in which one adds tokens, none");
}

// Those in sequences as well, in their order.
std::vector<json> PostProcessors(const json& root) {
  std::vector<json> flat;
  for (const json& step : Steps(root, "post_processor", "processors")) {
    if (step.is_object() && IsStep(step, "Sequence")) {
      const std::vector<json> inner = PostProcessors({{"post_processor", step}});
      flat.insert(flat.end(), inner.begin(), inner.end());
    } else {
      flat.push_back(step);
    }
  }
  return flat;
}

// "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], where a special token may stand for several ids.
StatusOr<HfTemplate> ReadTemplate(const json& step, const std::string& path) {
  const auto damaged = [&](const std::string& what) { return DataLoss(path + ": post_processor: " + what); };
  const auto single = step.find("single");
  if (single == step.end() || !single->is_array()) return damaged("'single' is no list");
  HfTemplate found;
  int num_texts = 0;
  for (const json& piece : *single) {
    if (piece.is_object() && piece.contains("Sequence")) {
      if (!piece["Sequence"].is_object() || !JsonSays(piece["Sequence"], "id", "A") || ++num_texts > 1)
        return Unknown(path, "post_processor", {{"post_processor", step}}, "templates that hold the text A once");
      continue;
    }
    const json* const named = piece.is_object() && piece.contains("SpecialToken") ? &piece["SpecialToken"] : nullptr;
    if (named == nullptr || !named->is_object() || !named->contains("id") || !(*named)["id"].is_string())
      return damaged("a piece of 'single' is neither a text nor a special token");
    const std::string name = (*named)["id"].get<std::string>();
    const json::json_pointer ids_at = json::json_pointer("/special_tokens") / name / "ids";
    if (!step.contains(ids_at) || !step[ids_at].is_array())
      return damaged("special_tokens has no ids of '" + name.substr(0, 80) + "'");
    for (const json& id : step[ids_at]) {
      if (!id.is_number_integer()) return damaged("an id of '" + name.substr(0, 80) + "' is no integer");
      (num_texts == 0 ? found.leading : found.trailing).push_back(id.get<int32_t>());
    }
  }
  if (num_texts != 1) return Unknown(path, "post_processor", {{"post_processor", step}}, "templates that hold the text A once");
  return found;
}

}  // namespace

bool JsonSays(const json& object, const char* key, const json& value) {
  const auto field = object.find(key);
  return field != object.end() && *field == value;
}

StatusOr<HfPipeline> ReadHfPipeline(const json& root, const HfFolder& folder, const std::string& path) {
  const std::vector<json> pre_tokenizers = Steps(root, "pre_tokenizer", "pretokenizers");
  const bool is_byte_level = !pre_tokenizers.empty() && IsStep(pre_tokenizers.back(), "ByteLevel");
  return is_byte_level ? ReadByteLevel(root, folder, pre_tokenizers, path) : ReadSpm(root, folder, pre_tokenizers, path);
}

StatusOr<HfTemplate> ReadHfTemplate(const json& root, const std::string& path) {
  HfTemplate found;
  bool adds = false;
  for (const json& step : PostProcessors(root)) {
    HfTemplate one;
    if (IsStep(step, "ByteLevel")) continue;
    if (IsStep(step, "TemplateProcessing")) {
      ASSIGN_OR_RETURN(one, ReadTemplate(step, path));
    } else if (IsStep(step, "BertProcessing") || IsStep(step, "RobertaProcessing")) {
      for (const auto& [key, ids] : {std::pair("cls", &one.leading), std::pair("sep", &one.trailing)}) {
        const auto pair = step.find(key);
        if (pair == step.end() || !pair->is_array() || pair->size() != 2 || !pair->back().is_number_integer())
          return DataLoss(path + ": post_processor: " + key + " is no pair of a name and an id");
        ids->push_back(pair->back().get<int32_t>());
      }
    } else {
      return UnknownPostProcessor(path, root);
    }
    if (one.leading.empty() && one.trailing.empty()) continue;
    if (adds) return UnknownPostProcessor(path, root);
    adds = true;
    found = std::move(one);
  }
  return found;
}

}  // namespace gfn
