#include "llm/tokenizer/spm_model.h"

#include <cmath>
#include <cstring>
#include <unordered_set>

#include "gflownet/base/text_util.h"
#include "llm/tokenizer/proto_reader.h"

namespace gfn {
namespace {

StatusOr<SpmPiece> ParsePiece(std::string_view message, const std::string& where) {
  SpmPiece piece;
  uint64_t type = 1;
  ProtoReader reader(message);
  while (reader.Next()) {
    if (reader.field() == 1) piece.piece = reader.Bytes();
    if (reader.field() == 2) piece.score = reader.Float();
    if (reader.field() == 3) type = reader.Varint();
  }
  if (!reader.ok()) return DataLoss(where + " is damaged");
  ASSIGN_OR_RETURN(piece.kind, TokenKindOfNumber(static_cast<int64_t>(type), where));
  if (piece.piece.empty() || piece.piece.find('\0') != std::string::npos || FindInvalidUtf8(piece.piece)) {
    return DataLoss(where + " is empty, holds a zero byte or is not valid UTF-8");
  }
  if (!std::isfinite(piece.score)) return DataLoss(where + " has a score that is not finite");
  if (piece.kind == TokenKind::kByte && !ParseByteToken(piece.piece)) {
    return DataLoss(where + " '" + piece.piece.substr(0, 80) + "' is a byte but is not written <0xNN>");
  }
  return piece;
}

Status ParseTrainer(std::string_view message, const std::string& path, SpmModel* model) {
  ProtoReader reader(message);
  uint64_t algorithm = static_cast<uint64_t>(model->algorithm);
  while (reader.Next()) {
    switch (reader.field()) {
      case 3:
        algorithm = reader.Varint();
        break;
      case 24:
        model->treat_whitespace_as_suffix = reader.Bool();
        break;
      case 35:
        model->byte_fallback = reader.Bool();
        break;
      case 44:
        model->unknown_surface = reader.Bytes();
        break;
      case 46:
        model->bos_piece = reader.Bytes();
        break;
      case 47:
        model->eos_piece = reader.Bytes();
        break;
      default:
        break;  // how it was trained
    }
  }
  if (!reader.ok()) return DataLoss(path + ": the trainer's specification is damaged");
  if (algorithm != 1 && algorithm != 2) {
    return Unimplemented(path + ": SentencePiece model type " + std::to_string(algorithm) + "; known: 1 (unigram), 2 (BPE)");
  }
  model->algorithm = static_cast<SpmModel::Algorithm>(algorithm);
  return OkStatus();
}

Status ParseNormalizer(std::string_view message, const std::string& path, SpmModel* model) {
  ProtoReader reader(message);
  while (reader.Next()) {
    switch (reader.field()) {
      case 2:
        model->normalizer_charsmap = reader.Bytes();
        break;
      case 3:
        model->add_dummy_prefix = reader.Bool();
        break;
      case 4:
        model->remove_extra_whitespaces = reader.Bool();
        break;
      case 5:
        model->escape_whitespaces = reader.Bool();
        break;
      default:
        break;  // its name, and the rules in source form
    }
  }
  return reader.ok() ? OkStatus() : DataLoss(path + ": the normaliser's specification is damaged");
}

// uint32 size of the trie in bytes, the trie (a double array of darts-clone, 32 bits a unit), then replacements that each end
// with a zero byte. A walk goes from unit i to (i ^ offset) ^ byte; a leaf holds the place of its replacement.
Status CheckCharsmap(std::string_view charsmap, const std::string& path) {
  if (charsmap.empty()) return OkStatus();
  const auto damaged = [&](const std::string& what) { return DataLoss(path + ": the normaliser's character map: " + what); };
  uint32_t trie_bytes = 0;
  if (charsmap.size() <= sizeof(trie_bytes)) return damaged("only " + std::to_string(charsmap.size()) + " bytes");
  std::memcpy(&trie_bytes, charsmap.data(), sizeof(trie_bytes));
  charsmap.remove_prefix(sizeof(trie_bytes));
  if (trie_bytes == 0 || trie_bytes >= charsmap.size() || trie_bytes % 1024 != 0) {
    return damaged("a trie of " + std::to_string(trie_bytes) + " bytes in " + std::to_string(charsmap.size()) +
                   ", expected blocks of 1024");
  }
  const std::string_view replacements = charsmap.substr(trie_bytes);
  if (replacements.back() != '\0') return damaged("the replacements do not end with a zero byte");
  if (FindInvalidUtf8(replacements)) return damaged("a replacement is not valid UTF-8");
  const uint32_t num_units = trie_bytes / sizeof(uint32_t);
  for (uint32_t i = 0; i < num_units; ++i) {
    uint32_t unit = 0;
    std::memcpy(&unit, charsmap.data() + i * sizeof(unit), sizeof(unit));
    if ((unit & 0x80000000u) != 0) {  // a leaf
      const uint32_t value = unit & 0x7FFFFFFFu;
      const bool at_start = value == 0 || (value < replacements.size() && replacements[value - 1] == '\0');
      if (!at_start) return damaged("unit " + std::to_string(i) + " names no replacement");
    } else {
      const uint32_t offset = (unit >> 10) << ((unit & 0x200u) >> 6);
      if (((i ^ offset) | 0xFFu) >= num_units) return damaged("unit " + std::to_string(i) + " leads outside");
    }
  }
  return OkStatus();
}

Status CheckPieces(const SpmModel& model, const std::string& path) {
  std::unordered_set<std::string_view> names;
  int num_unknown = 0, num_bytes = 0;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const SpmPiece& piece = model.pieces[i];
    if (!names.insert(piece.piece).second)
      return DataLoss(path + ": piece " + std::to_string(i) + " '" + piece.piece.substr(0, 80) + "' is there twice");
    num_unknown += piece.kind == TokenKind::kUnknown;
    num_bytes += piece.kind == TokenKind::kByte;
  }
  if (num_unknown != 1) return DataLoss(path + ": " + std::to_string(num_unknown) + " unknown pieces, expected 1");
  if (num_bytes != (model.byte_fallback ? 256 : 0)) {
    return DataLoss(path + ": " + std::to_string(num_bytes) + " byte pieces, expected " +
                    (model.byte_fallback ? "256" : "none without byte fallback"));
  }
  return OkStatus();
}

}  // namespace

StatusOr<SpmModel> SpmModel::Parse(std::string_view bytes, const std::string& path) {
  SpmModel model;
  ProtoReader reader(bytes);
  while (reader.Next()) {
    switch (reader.field()) {
      case 1: {
        ASSIGN_OR_RETURN(SpmPiece piece, ParsePiece(reader.Bytes(), path + ": piece " + std::to_string(model.pieces.size())));
        model.pieces.push_back(std::move(piece));
        break;
      }
      case 2:
        RETURN_IF_ERROR(ParseTrainer(reader.Bytes(), path, &model));
        break;
      case 3:
        RETURN_IF_ERROR(ParseNormalizer(reader.Bytes(), path, &model));
        break;
      case 5: {
        SpmModel denormalizer;
        RETURN_IF_ERROR(ParseNormalizer(reader.Bytes(), path, &denormalizer));
        model.denormalizer_charsmap = denormalizer.normalizer_charsmap;
        break;
      }
      default:
        break;  // self-test data
    }
  }
  if (!reader.ok()) return DataLoss(path + ": not a well-formed SentencePiece model");
  RETURN_IF_ERROR(CheckPieces(model, path));
  RETURN_IF_ERROR(CheckCharsmap(model.normalizer_charsmap, path));
  if (model.treat_whitespace_as_suffix) return Unimplemented(path + ": white space as suffix is not supported");
  if (!model.escape_whitespaces) return Unimplemented(path + ": unescaped white space is not supported");
  if (!model.denormalizer_charsmap.empty()) return Unimplemented(path + ": a denormaliser is not supported");
  return model;
}

}  // namespace gfn
