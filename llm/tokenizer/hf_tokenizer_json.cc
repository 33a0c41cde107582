#include "llm/tokenizer/hf_tokenizer_json.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "llm/format/gguf_file.h"
#include "llm/tokenizer/pre_tokenizer.h"
#include "llm/tokenizer/utf8.h"

namespace gfn {
namespace {

using nlohmann::json;

constexpr char kWrittenMark[] = "\u2581";

// A token under the name that files write: "\u0120the", "\u2581the", "<0x0A>".
struct WrittenToken {
  std::string name;
  TokenKind kind = TokenKind::kNormal;
};

bool IsAdded(const WrittenToken& token) { return token.kind != TokenKind::kNormal && token.kind != TokenKind::kByte; }

// JSON objects have a key once: a name that another token already has is never made from text and gets a name by its id.
void MakeNamesUnique(std::vector<WrittenToken>& tokens) {
  std::unordered_map<std::string, size_t> first;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (first.emplace(tokens[id].name, id).second) continue;
    tokens[id] = {"<|duplicate_" + std::to_string(id) + "|>", TokenKind::kUnused};
    first.emplace(tokens[id].name, id);
  }
}

json Vocab(const std::vector<WrittenToken>& tokens) {
  json vocab = json::object();
  for (size_t id = 0; id < tokens.size(); ++id) vocab[tokens[id].name] = id;
  return vocab;
}

json AddedTokensOf(const std::vector<WrittenToken>& tokens, const Tokenizer& tokenizer) {
  json added = json::array();
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!IsAdded(tokens[id])) continue;
    added.push_back({{"id", id},
                     {"content", tokens[id].name},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", tokenizer.IsSpecial(static_cast<int32_t>(id))}});
  }
  return added;
}

// What goes before and behind a text, as the step that transformers takes it from.
json PostProcessor(const std::vector<WrittenToken>& tokens, const Tokenizer& tokenizer) {
  const std::span<const int32_t> leading = tokenizer.leading_ids(), trailing = tokenizer.trailing_ids();
  if (leading.empty() && trailing.empty()) return nullptr;
  const auto text = [&](const char* id, int type) {
    json steps = json::array();
    const auto add = [&](std::span<const int32_t> ids) {
      for (const int32_t token : ids) steps.push_back({{"SpecialToken", {{"id", tokens[token].name}, {"type_id", type}}}});
    };
    add(leading);
    steps.push_back({{"Sequence", {{"id", id}, {"type_id", type}}}});
    add(trailing);
    return steps;
  };
  json pair = text("A", 0);
  for (const json& step : text("B", 1)) pair.push_back(step);
  json special = json::object();
  for (const std::span<const int32_t> ids : {leading, trailing}) {
    for (const int32_t token : ids) {
      const std::string& name = tokens[token].name;
      special[name] = {{"id", name}, {"ids", {token}}, {"tokens", {name}}};
    }
  }
  return {{"type", "TemplateProcessing"},
          {"single", text("A", 0)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(special)}};
}

json ByteLevel(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

json PreTokenizerStep(PreTokenizerKind kind) {
  if (kind == PreTokenizerKind::kGpt2) return ByteLevel(true);
  if (kind == PreTokenizerKind::kSmollm) {
    return {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, ByteLevel(true)}}};
  }
  const json split = {
      {"type", "Split"}, {"pattern", {{"Regex", PreTokenizerPattern(kind)}}}, {"behavior", "Isolated"}, {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", {split, ByteLevel(false)}}};
}

json BpeModel(const std::vector<WrittenToken>& tokens, json merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", Vocab(tokens)},
          {"merges", std::move(merges)}};
}

json TokenizerJson(const std::vector<WrittenToken>& tokens, const Tokenizer& tokenizer, json normalizer, json pre_tokenizer,
                   json decoder, json model) {
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", AddedTokensOf(tokens, tokenizer)},
          {"normalizer", std::move(normalizer)},
          {"pre_tokenizer", std::move(pre_tokenizer)},
          {"post_processor", PostProcessor(tokens, tokenizer)},
          {"decoder", std::move(decoder)},
          {"model", std::move(model)}};
}

json TokenizerConfig(const std::vector<WrittenToken>& tokens, const Tokenizer& tokenizer) {
  // The class that takes tokenizer.json as it is.
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const auto name = [&](const char* key, std::optional<int32_t> id) {
    if (id) config[key] = tokens[*id].name;
  };
  name("bos_token", tokenizer.bos_id());
  name("eos_token", tokenizer.eos_id());
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].kind == TokenKind::kUnknown) name("unk_token", static_cast<int32_t>(id));
  }
  return config;
}

// Every way to make a piece of two others, the highest score first; of equal scores those of earlier tokens.
json MergesOf(const std::vector<WrittenToken>& tokens, const std::vector<float>& scores) {
  std::unordered_map<std::string_view, size_t> id_of;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].kind == TokenKind::kNormal) id_of.emplace(tokens[id].name, id);
  }
  std::vector<size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  json merges = json::array();
  for (const size_t id : order) {
    const std::string_view piece = tokens[id].name;
    if (tokens[id].kind != TokenKind::kNormal) continue;
    for (size_t cut = Utf8CharLength(piece); cut < piece.size(); cut += Utf8CharLength(piece.substr(cut))) {
      const std::string_view left = piece.substr(0, cut), right = piece.substr(cut);
      if (id_of.contains(left) && id_of.contains(right)) merges.push_back({left, right});
    }
  }
  return merges;
}

// SentencePiece's BPE in tokenizers' terms: spaces become marks, what no piece covers falls back to bytes or to the unknown
// token.
HfTokenizerFiles SpmFiles(std::vector<WrittenToken> tokens, const std::vector<float>& scores, bool adds_space,
                          const Tokenizer& tokenizer) {
  MakeNamesUnique(tokens);
  json model = BpeModel(tokens, MergesOf(tokens, scores));
  for (const WrittenToken& token : tokens) {
    if (token.kind == TokenKind::kUnknown) model["unk_token"] = token.name;
    if (token.kind == TokenKind::kByte) model["byte_fallback"] = true;
  }
  model["fuse_unk"] = true;
  const json to_mark = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kWrittenMark}};
  json normalizers = json::array(), decoders = {{{"type", "Replace"}, {"pattern", {{"String", kWrittenMark}}}, {"content", " "}},
                                                {{"type", "ByteFallback"}},
                                                {{"type", "Fuse"}}};
  if (adds_space) {
    normalizers.push_back({{"type", "Prepend"}, {"prepend", kWrittenMark}});
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  normalizers.push_back(to_mark);
  return {TokenizerJson(tokens, tokenizer, {{"type", "Sequence"}, {"normalizers", std::move(normalizers)}}, nullptr,
                        {{"type", "Sequence"}, {"decoders", std::move(decoders)}}, std::move(model)),
          TokenizerConfig(tokens, tokenizer)};
}

StatusOr<std::vector<WrittenToken>> WrittenTokens(const GgufFile& file) {
  ASSIGN_OR_RETURN(const auto names, file.Strings("tokenizer.ggml.tokens"));
  std::span<const int64_t> types;
  if (file.Has("tokenizer.ggml.token_type")) {
    ASSIGN_OR_RETURN(types, file.Ints("tokenizer.ggml.token_type"));
  }
  std::vector<WrittenToken> tokens;
  for (size_t id = 0; id < names.size(); ++id) {
    WrittenToken& token = tokens.emplace_back(WrittenToken{names[id]});
    if (types.empty()) continue;
    ASSIGN_OR_RETURN(token.kind, TokenKindOfNumber(types[id], file.name() + ": token " + std::to_string(id)));
  }
  return tokens;
}

}  // namespace

StatusOr<HfTokenizerFiles> HfFilesOfGguf(const GgufFile& file, const Tokenizer& tokenizer) {
  ASSIGN_OR_RETURN(std::vector<WrittenToken> tokens, WrittenTokens(file));
  // A normal token that the loader took for a special one is written as one.
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!IsAdded(tokens[id]) && tokenizer.IsSpecial(static_cast<int32_t>(id))) tokens[id].kind = TokenKind::kControl;
  }
  HfTokenizerFiles files;
  ASSIGN_OR_RETURN(const std::string model, file.String("tokenizer.ggml.model"));
  if (model == "llama") {
    ASSIGN_OR_RETURN(const bool adds_space, file.BoolOr("tokenizer.ggml.add_space_prefix", true));
    ASSIGN_OR_RETURN(const auto scores, file.Floats("tokenizer.ggml.scores"));
    files = SpmFiles(std::move(tokens), {scores.begin(), scores.end()}, adds_space, tokenizer);
  } else {
    MakeNamesUnique(tokens);
    ASSIGN_OR_RETURN(const std::string name, file.String("tokenizer.ggml.pre"));
    ASSIGN_OR_RETURN(const PreTokenizerKind kind, PreTokenizerFromGgufName(name, file.name() + ": tokenizer.ggml.pre"));
    ASSIGN_OR_RETURN(const auto lines, file.Strings("tokenizer.ggml.merges"));
    json bpe = BpeModel(tokens, json(std::vector<std::string>(lines.begin(), lines.end())));
    bpe["ignore_merges"] = IsLlama3Name(name);
    files = {TokenizerJson(tokens, tokenizer, nullptr, PreTokenizerStep(kind), ByteLevel(true), std::move(bpe)),
             TokenizerConfig(tokens, tokenizer)};
  }
  ASSIGN_OR_RETURN(const int64_t pad, file.IntOr("tokenizer.ggml.padding_token_id", -1));
  // Only a special token: naming another one here would make it special, and texts would be cut at it.
  if (pad >= 0 && pad < tokenizer.vocab_size() && tokenizer.IsSpecial(static_cast<int32_t>(pad))) {
    files.config["pad_token"] = tokenizer.TokenName(static_cast<int32_t>(pad));
  }
  if (file.Has("tokenizer.chat_template")) {
    ASSIGN_OR_RETURN(files.config["chat_template"], file.String("tokenizer.chat_template"));
  }
  return files;
}

StatusOr<HfTokenizerFiles> HfFilesOfLlama2c(const ScoredPieces& pieces, const Tokenizer& tokenizer) {
  std::vector<WrittenToken> tokens;
  for (const Token& token : pieces.tokens) {
    std::string name;
    if (token.kind == TokenKind::kByte) {
      constexpr char kHex[] = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(token.text[0]);
      name = std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">";
    } else if (token.kind == TokenKind::kNormal) {
      for (const char c : token.text) name.append(c == ' ' ? std::string(kWrittenMark) : std::string(1, c));
    } else {
      name = token.text;
    }
    tokens.push_back({std::move(name), token.kind});
  }
  return SpmFiles(std::move(tokens), pieces.scores, /*adds_space=*/true, tokenizer);
}

}  // namespace gfn
