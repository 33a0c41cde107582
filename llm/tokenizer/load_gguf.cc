#include <algorithm>
#include <tuple>
#include <vector>

#include "llm/format/gguf_file.h"
#include "llm/tokenizer/byte_bpe.h"
#include "llm/tokenizer/loaders.h"
#include "llm/tokenizer/spm_bpe.h"

namespace gfn {
namespace {

constexpr char kPrefix[] = "tokenizer.ggml.";

std::string Key(const char* name) { return std::string(kPrefix) + name; }

// Names that llama.cpp takes for control tokens whatever type a converter gave them.
bool EndsATurn(std::string_view name) {
  constexpr std::string_view kNames[] = {"<|eot_id|>", "<|im_end|>",    "<|end|>",         "<|return|>",
                                         "<|call|>",   "<end_of_turn>", "<|endoftext|>",   "<|eom_id|>",
                                         "<EOT>",      "_<EOT>",        "<|end_of_text|>", "<end_of_utterance>"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

using MakeToken = StatusOr<Token> (*)(std::string written, TokenKind kind, int64_t id, std::string_view where);

StatusOr<Vocabulary> ReadVocabulary(const GgufFile& file, MakeToken make_token) {
  ASSIGN_OR_RETURN(const auto written, file.Strings(Key("tokens")));
  std::span<const int64_t> types;
  if (file.Has(Key("token_type"))) {
    ASSIGN_OR_RETURN(types, file.Ints(Key("token_type")));
    if (types.size() != written.size()) {
      return DataLoss(file.name() + ": " + std::to_string(types.size()) + " token types for " + std::to_string(written.size()) +
                      " tokens");
    }
  }
  Vocabulary vocabulary;
  vocabulary.order = AddedTokens::Order::kLongestFirst;
  for (size_t i = 0; i < written.size(); ++i) {
    const int64_t id = static_cast<int64_t>(i);
    TokenKind kind = TokenKind::kNormal;
    if (!types.empty()) {
      ASSIGN_OR_RETURN(kind, TokenKindOfNumber(types[i], file.name() + ": token " + std::to_string(id)));
    }
    if (EndsATurn(written[i]) && (kind == TokenKind::kNormal || kind == TokenKind::kUserDefined)) kind = TokenKind::kControl;
    ASSIGN_OR_RETURN(Token token, make_token(written[i], kind, id, file.name()));
    vocabulary.tokens.push_back(std::move(token));
  }
  return vocabulary;
}

// A special id of the file. One outside the vocabulary is a remark, and `absent` stands for it, as in llama.cpp.
StatusOr<std::optional<int32_t>> SpecialId(const GgufFile& file, const char* name, std::optional<int32_t> absent,
                                           Vocabulary* vocabulary) {
  if (absent && !IsTokenId(*absent, *vocabulary)) absent = std::nullopt;
  if (!file.Has(Key(name))) return absent;
  ASSIGN_OR_RETURN(const int64_t id, file.Int(Key(name)));
  if (IsTokenId(id, *vocabulary)) return std::optional(static_cast<int32_t>(id));
  vocabulary->remarks.push_back(file.name() + ": " + Key(name) + " is " + std::to_string(id) + ", outside the vocabulary of " +
                                std::to_string(vocabulary->tokens.size()) + " tokens; taken instead: " +
                                (absent ? "llama.cpp's default " + std::to_string(*absent) : "none"));
  return absent;
}

// What llama.cpp takes where the file has no key, or a bad one.
struct EndDefaults {
  bool add_bos;
  int32_t bos, eos;
  bool only_if_used;  // an id that no text gets is no bos or eos of the vocabulary
};

// Sets bos, eos, leading and trailing.
Status SetEnds(const GgufFile& file, const EndDefaults& defaults, Vocabulary* vocabulary) {
  ASSIGN_OR_RETURN(const bool add_bos, file.BoolOr(Key("add_bos_token"), defaults.add_bos));
  ASSIGN_OR_RETURN(const bool add_eos, file.BoolOr(Key("add_eos_token"), false));
  const auto absent = [&](bool is_used, int32_t id) {
    return is_used || !defaults.only_if_used ? std::optional(id) : std::nullopt;
  };
  ASSIGN_OR_RETURN(vocabulary->bos, SpecialId(file, "bos_token_id", absent(add_bos, defaults.bos), vocabulary));
  ASSIGN_OR_RETURN(vocabulary->eos, SpecialId(file, "eos_token_id", absent(add_eos, defaults.eos), vocabulary));
  for (const auto& [adds, id, name, list] : {std::tuple(add_bos, vocabulary->bos, "bos", &vocabulary->leading),
                                             std::tuple(add_eos, vocabulary->eos, "eos", &vocabulary->trailing)}) {
    if (!adds) continue;
    if (!id) return DataLoss(file.name() + ": texts are to have " + name + ", but the vocabulary has no such token");
    list->push_back(*id);
  }
  return OkStatus();
}

StatusOr<std::unique_ptr<Tokenizer>> LoadByteBpe(const GgufFile& file) {
  ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(file, &ByteBpeToken));
  ByteBpeSpec spec;
  if (!file.Has(Key("pre"))) {
    return Unimplemented(file.name() +
                         ": no tokenizer.ggml.pre, so the pre-tokeniser is unknown; known ones: " + KnownPreTokenizers());
  }
  ASSIGN_OR_RETURN(const std::string pre, file.String(Key("pre")));
  ASSIGN_OR_RETURN(spec.pre_tokenizer, PreTokenizerFromGgufName(pre, file.name() + ": tokenizer.ggml.pre"));
  spec.ignores_merges = IsLlama3Name(pre);
  RETURN_IF_ERROR(SetEnds(file, {IsLlama3Name(pre), 11, 11, /*only_if_used=*/true}, &vocabulary));
  ASSIGN_OR_RETURN(const auto lines, file.Strings(Key("merges")));
  std::vector<std::pair<std::string, std::string>> merges;
  for (size_t i = 0; i < lines.size(); ++i) {
    ASSIGN_OR_RETURN(auto merge, ParseMerge(lines[i], file.name() + ": tokenizer.ggml.merges " + std::to_string(i)));
    merges.push_back(std::move(merge));
  }
  return MakeByteBpe(std::move(vocabulary), spec, merges, file.name());
}

StatusOr<std::unique_ptr<Tokenizer>> LoadSpmBpe(const GgufFile& file) {
  ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(file, &SpmToken));
  RETURN_IF_ERROR(SetEnds(file, {true, 1, 2, /*only_if_used=*/false}, &vocabulary));
  ASSIGN_OR_RETURN(vocabulary.drops_first_space, file.BoolOr(Key("add_space_prefix"), true));
  SpmBpeSpec spec;
  if (!vocabulary.drops_first_space) spec.space_prefix = SpmBpeSpec::SpacePrefix::kNever;
  ASSIGN_OR_RETURN(const auto doubles, file.Floats(Key("scores")));
  const std::vector<float> scores(doubles.begin(), doubles.end());
  return MakeSpmBpeByScores(std::move(vocabulary), spec, scores, file.name());
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> LoadGgufTokenizer(const GgufFile& file) {
  ASSIGN_OR_RETURN(const std::string model, file.String(Key("model")));
  if (model == "gpt2") return LoadByteBpe(file);
  if (model == "llama") return LoadSpmBpe(file);
  return Unimplemented(file.name() + ": tokenizer.ggml.model is '" + model +
                       "'; known: gpt2 (byte-level BPE), llama (SentencePiece BPE)");
}

}  // namespace gfn
