#include <cstring>

#include "llm/tokenizer/loaders.h"
#include "llm/tokenizer/spm_bpe.h"

namespace gfn {
namespace {

constexpr int32_t kMaxTokenLength = 4096;
constexpr int64_t kUnknown = 0, kBos = 1, kEos = 2;

template <class T>
T ReadAs(std::string_view bytes, size_t pos) {
  T value;
  std::memcpy(&value, bytes.data() + pos, sizeof(T));
  return value;
}

// llama2.c writes "\n<s>\n" so that printing it shows a line of its own.
bool IsNamed(std::string_view text, std::string_view name) {
  return text == name ||
         (text.size() == name.size() + 2 && text.front() == '\n' && text.back() == '\n' && text.substr(1, name.size()) == name);
}

StatusOr<Token> TokenOf(std::string text, int64_t id, const std::string& where) {
  constexpr std::string_view kNames[] = {"<unk>", "<s>", "</s>"};
  if (id <= kEos) {
    if (!IsNamed(text, kNames[id])) {
      return DataLoss(where + ": token " + std::to_string(id) + " is '" + text.substr(0, 80) + "', expected '" +
                      std::string(kNames[id]) + "'");
    }
    return Token{std::string(kNames[id]), id == kUnknown ? TokenKind::kUnknown : TokenKind::kControl};
  }
  const TokenKind kind = ParseByteToken(text) ? TokenKind::kByte : TokenKind::kNormal;
  return SpmToken(std::move(text), kind, id, where);
}

}  // namespace

bool LooksLikeLlama2c(std::string_view bytes) {
  if (bytes.size() < 4) return false;
  const int32_t longest = ReadAs<int32_t>(bytes, 0);
  return longest > 0 && longest <= kMaxTokenLength;
}

StatusOr<ScoredPieces> ReadLlama2cPieces(std::string_view bytes, const std::string& path) {
  if (!LooksLikeLlama2c(bytes)) return DataLoss(path + ": does not begin with the length of the longest token");
  const int32_t longest = ReadAs<int32_t>(bytes, 0);
  ScoredPieces pieces;
  for (size_t pos = sizeof(int32_t); pos < bytes.size();) {
    const int64_t id = static_cast<int64_t>(pieces.tokens.size());
    const std::string place = path + ": token " + std::to_string(id) + " at byte " + std::to_string(pos);
    constexpr size_t kHead = sizeof(float) + sizeof(int32_t);
    if (bytes.size() - pos < kHead) return DataLoss(place + ": the file ends inside its score and length");
    const int32_t length = ReadAs<int32_t>(bytes, pos + sizeof(float));
    if (length <= 0 || length > longest) {
      return DataLoss(place + " has length " + std::to_string(length) + ", expected 1 to " + std::to_string(longest));
    }
    pieces.scores.push_back(ReadAs<float>(bytes, pos));
    pos += kHead;
    if (bytes.size() - pos < static_cast<size_t>(length)) return DataLoss(place + ": the file ends inside its text");
    ASSIGN_OR_RETURN(Token token, TokenOf(std::string(bytes.substr(pos, length)), id, path));
    pieces.tokens.push_back(std::move(token));
    pos += length;
  }
  return pieces;
}

StatusOr<std::unique_ptr<Tokenizer>> LoadLlama2c(std::string_view bytes, const std::string& path) {
  ASSIGN_OR_RETURN(ScoredPieces pieces, ReadLlama2cPieces(bytes, path));
  Vocabulary vocabulary;
  vocabulary.tokens = std::move(pieces.tokens);
  vocabulary.drops_first_space = true;
  ASSIGN_OR_RETURN(vocabulary.bos, CheckedTokenId(kBos, vocabulary, path + ": bos"));
  vocabulary.leading = {*vocabulary.bos};
  ASSIGN_OR_RETURN(vocabulary.eos, CheckedTokenId(kEos, vocabulary, path + ": eos"));
  SpmBpeSpec spec;
  spec.mark_is_space = false;  // the file holds plain spaces
  return MakeSpmBpeByScores(std::move(vocabulary), spec, pieces.scores, path);
}

}  // namespace gfn
