#include <vector>

#include "llm/format/gguf_file.h"
#include "llm/tokenizer/byte_bpe.h"
#include "llm/tokenizer/loaders.h"
#include "llm/tokenizer/spm_bpe.h"

namespace gfn {
namespace {

constexpr char kPrefix[] = "tokenizer.ggml.";

std::string Key(const char* name) { return std::string(kPrefix) + name; }

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
  for (size_t i = 0; i < written.size(); ++i) {
    const int64_t id = static_cast<int64_t>(i);
    TokenKind kind = TokenKind::kNormal;
    if (!types.empty()) {
      ASSIGN_OR_RETURN(kind, TokenKindOfNumber(types[i], file.name() + ": token " + std::to_string(id)));
    }
    ASSIGN_OR_RETURN(Token token, make_token(written[i], kind, id, file.name()));
    vocabulary.tokens.push_back(std::move(token));
  }
  if (file.Has(Key("bos_token_id"))) {
    ASSIGN_OR_RETURN(const int64_t id, file.Int(Key("bos_token_id")));
    ASSIGN_OR_RETURN(vocabulary.bos, CheckedTokenId(id, vocabulary, file.name() + ": bos_token_id"));
  }
  if (file.Has(Key("eos_token_id"))) {
    ASSIGN_OR_RETURN(const int64_t id, file.Int(Key("eos_token_id")));
    ASSIGN_OR_RETURN(vocabulary.eos, CheckedTokenId(id, vocabulary, file.name() + ": eos_token_id"));
  }
  return vocabulary;
}

StatusOr<std::unique_ptr<Tokenizer>> LoadByteBpe(const GgufFile& file) {
  ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(file, &ByteBpeToken));
  ASSIGN_OR_RETURN(vocabulary.prepends_bos, file.BoolOr(Key("add_bos_token"), false));
  ByteBpeSpec spec;
  if (!file.Has(Key("pre"))) {
    return Unimplemented(file.name() +
                         ": no tokenizer.ggml.pre, so the pre-tokeniser is unknown; known ones: " + KnownPreTokenizers());
  }
  ASSIGN_OR_RETURN(const std::string pre, file.String(Key("pre")));
  ASSIGN_OR_RETURN(spec.pre_tokenizer, PreTokenizerFromGgufName(pre, file.name() + ": tokenizer.ggml.pre"));
  spec.ignores_merges = spec.pre_tokenizer == PreTokenizerKind::kLlamaBpe;
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
  ASSIGN_OR_RETURN(vocabulary.prepends_bos, file.BoolOr(Key("add_bos_token"), true));
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
