#include <array>
#include <unordered_map>
#include <utility>

#include "gflownet/base/file_util.h"
#include "llm/tokenizer/hf_config.h"
#include "llm/tokenizer/loaders.h"
#include "llm/tokenizer/spm_bpe.h"
#include "llm/tokenizer/spm_model.h"
#include "llm/tokenizer/spm_processor.h"
#include "llm/tokenizer/vocabulary.h"

namespace gfn {
namespace {

// Does text behind an added token get the space that a text begins with? As SentencePiece has it for a text of its own; as
// transformers' LlamaTokenizer with legacy: true; as it does otherwise.
enum class BehindToken { kAsFront, kUnlessSpace, kNever };

class SpmTokenizer : public VocabularyTokenizer {
 public:
  SpmTokenizer(Vocabulary vocabulary, const Digest& rules, const SpmModel& model, BehindToken behind_token,
               std::unique_ptr<SpmProcessor> front, std::unique_ptr<SpmProcessor> middle)
      : VocabularyTokenizer(std::move(vocabulary), rules),
        front_(std::move(front)),
        middle_(std::move(middle)),
        trims_space_(model.remove_extra_whitespaces),
        has_bytes_(model.byte_fallback),
        behind_token_(behind_token) {
    for (int32_t id = 0; id < vocab_size(); ++id) {
      if (token(id).kind == TokenKind::kByte) bytes_[static_cast<unsigned char>(token(id).text[0])] = id;
      if (token(id).kind == TokenKind::kUnknown) unknown_ = id;
    }
    AddNormalizedTokens();
  }

 protected:
  void EncodeText(std::string_view text, Place place, std::vector<int32_t>* ids) const override;
  void EncodeInvalid(std::string_view bytes, std::vector<int32_t>* ids) const override;

 private:
  std::unique_ptr<SpmProcessor> front_;   // puts a space before the text if the model says so
  std::unique_ptr<SpmProcessor> middle_;  // never does
  bool trims_space_;
  bool has_bytes_;
  BehindToken behind_token_;
  std::array<int32_t, 256> bytes_{};
  int32_t unknown_ = -1;
};

void SpmTokenizer::EncodeText(std::string_view text, Place place, std::vector<int32_t>* ids) const {
  // A model that trims white space would swallow the one between two parts of a text; the space that is put before the text
  // stands for it.
  const bool keeps_space = trims_space_ && text[0] == ' ';
  const bool goes_on = place == Place::kMiddle ||
                       (place == Place::kBehindToken &&
                        (behind_token_ == BehindToken::kNever || (behind_token_ == BehindToken::kUnlessSpace && text[0] == ' ')));
  (goes_on && !keeps_space ? middle_ : front_)->Encode(text, ids);
}

void SpmTokenizer::EncodeInvalid(std::string_view bytes, std::vector<int32_t>* ids) const {
  if (!has_bytes_) {
    ids->push_back(unknown_);
    return;
  }
  for (const char byte : bytes) ids->push_back(bytes_[static_cast<unsigned char>(byte)]);
}

// Appended to a serialised ModelProto, this sets normalizer_spec.add_dummy_prefix (3.3) to false: parts of a message that come
// twice are merged, and the last value of a scalar counts.
constexpr char kNoDummyPrefix[] = {'\x1A', 2, '\x18', 0};

StatusOr<std::unique_ptr<SpmProcessor>> MakeProcessor(std::string_view bytes, const std::string& path) {
  std::string error;
  std::unique_ptr<SpmProcessor> processor = SpmProcessor::Load(bytes, &error);
  if (processor == nullptr) return DataLoss(path + ": libsentencepiece refuses it: " + error);
  return processor;
}

// Added and special tokens, bos and eos of the folder that the file lies in.
StatusOr<BehindToken> AddFolderOfModel(const std::string& path, const SpmModel& model, Vocabulary* vocabulary) {
  ASSIGN_OR_RETURN(const HfFolder folder, ReadHfFolder(ParentFolder(path)));
  std::unordered_map<std::string, int32_t> by_piece;
  for (size_t id = 0; id < model.pieces.size(); ++id) by_piece.emplace(model.pieces[id].piece, static_cast<int32_t>(id));
  HfVocabulary known;
  known.path = path;
  known.id_of = [&](const std::string& name) {
    const auto found = by_piece.find(name);
    return found == by_piece.end() ? -1 : found->second;
  };
  // The library makes a normal piece whatever it is called.
  known.is_made = [&](int32_t id) { return static_cast<size_t>(id) < model.pieces.size(); };
  RETURN_IF_ERROR(AddTokensOfFolder(folder, known, vocabulary));
  RETURN_IF_ERROR(SetEnds(folder, vocabulary));
  RETURN_IF_ERROR(SetEndsAroundTexts(folder, /*adds_bos_by_default=*/true, path, vocabulary));
  if (!folder.IsLlama()) return BehindToken::kAsFront;
  return folder.PrefixesBehindTokens() ? BehindToken::kUnlessSpace : BehindToken::kNever;
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> LoadSentencePiece(std::string_view bytes, const std::string& path) {
  ASSIGN_OR_RETURN(const SpmModel model, SpmModel::Parse(bytes, path));
  Vocabulary vocabulary;
  vocabulary.drops_first_space = model.add_dummy_prefix || model.remove_extra_whitespaces;
  vocabulary.unknown_surface = model.unknown_surface;
  Digest rules;
  rules.String("SentencePiece").Int(static_cast<int>(model.algorithm)).Bool(model.byte_fallback);
  rules.Bool(model.add_dummy_prefix).Bool(model.remove_extra_whitespaces).String(model.normalizer_charsmap);
  for (const SpmPiece& piece : model.pieces) {
    const int32_t id = static_cast<int32_t>(vocabulary.tokens.size());
    // User-defined pieces are found by the library itself, inside the normalised text.
    const TokenKind kind = piece.kind == TokenKind::kUserDefined ? TokenKind::kNormal : piece.kind;
    ASSIGN_OR_RETURN(Token token, SpmToken(piece.piece, kind, id, path));
    vocabulary.tokens.push_back(std::move(token));
    rules.Real(piece.score).Int(static_cast<int>(piece.kind));
    if (piece.kind == TokenKind::kControl && piece.piece == model.bos_piece) vocabulary.bos = id;
    if (piece.kind == TokenKind::kControl && piece.piece == model.eos_piece) vocabulary.eos = id;
  }
  ASSIGN_OR_RETURN(const BehindToken behind_token, AddFolderOfModel(path, model, &vocabulary));
  if (behind_token != BehindToken::kAsFront) rules.Int(static_cast<int>(behind_token));
  ASSIGN_OR_RETURN(auto front, MakeProcessor(bytes, path));
  ASSIGN_OR_RETURN(auto middle, MakeProcessor(std::string(bytes) + std::string(kNoDummyPrefix, sizeof(kNoDummyPrefix)), path));
  return std::make_unique<SpmTokenizer>(std::move(vocabulary), rules, model, behind_token, std::move(front), std::move(middle));
}

}  // namespace gfn
