// Text to token ids and back, for the vocabularies that models come with.
//
// A Tokenizer is immutable after loading and every method may be called from several threads at once.
//
// Bytes in, bytes out. Texts are UTF-8, but any bytes are accepted: each maximal run of bytes that belongs to no well-formed
// UTF-8 character is encoded by itself, as byte tokens (byte-level BPE: as one word; SentencePiece with byte pieces: one
// <0xNN> a byte), and Decode gives the same bytes back. A SentencePiece vocabulary without byte pieces has only its unknown
// token for it. A byte for which a byte-level vocabulary has no token is dropped, as `tokenizers` and llama.cpp do: SmolLM2
// lacks 21, the control characters 04 06 13 14 16 1D and bytes that no assigned character uses.
//
// decode(encode(x)) = x holds otherwise for byte-level BPE, and for SentencePiece vocabularies with byte pieces, except what
// the vocabulary's own definition throws away: U+2581 (the space mark of SentencePiece), Unicode normalisation (NFC of Qwen2,
// NFKC and the removal of extra spaces in some SentencePiece models), spaces beside an added token that strips or adds them.
//
// Word-start spaces: SentencePiece families put a space before a text ("dummy prefix"), and Decode takes it off again. For a
// text that continues another one (a suffix, a generated part), use `continuation`: nothing is added, nothing taken off.
// Then Decode(ids, {.continuation = true}) is exactly the concatenation of TokenBytes. Byte-level BPE makes no difference.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin = 0, end = 0;
};

struct EncodeOptions {
  // Names of special tokens ("<|im_end|>", "</s>") become these tokens; text after one counts as the start of a text. By default
  // they are plain text, so that no input can forge a special token. Tokens that were added by hand and are not special ("zebra")
  // are found in any text. Which of overlapping names is found: llm/tokenizer/added_tokens.h.
  bool parse_special = false;
  // With parse_special: parts of the text that come from elsewhere (the values in a template), where they stay plain text.
  std::span<const TextRange> plain = {};
  // The text goes on from text before it: see above.
  bool continuation = false;
};

struct DecodeOptions {
  // Special tokens appear by their names; by default they contribute nothing.
  bool show_special = false;
  bool continuation = false;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Never adds bos or eos.
  virtual std::vector<int32_t> Encode(std::string_view text, const EncodeOptions& options = {}) const = 0;

  // Ids outside 0 .. vocab_size() - 1 are a programmer error, here and below.
  virtual std::string Decode(std::span<const int32_t> ids, const DecodeOptions& options = {}) const = 0;

  // The bytes that this token contributes in the middle of a text: the space mark of SentencePiece is a space, byte tokens
  // are their byte, byte-level BPE is decoded. A single token may hold a part of a UTF-8 character. "" for special tokens,
  // but the unknown token of a SentencePiece vocabulary contributes " \u2047 ", as SentencePiece prints it.
  virtual std::string_view TokenBytes(int32_t id) const = 0;

  // True for control tokens (bos, eos, chat marks, padding, unused ids) and the unknown token: those that stand for no text.
  virtual bool IsSpecial(int32_t id) const = 0;

  // True for tokens that no merging makes: special ones, unused ids, and those added by hand, which are found in any text.
  virtual bool IsAdded(int32_t id) const = 0;

  // What a special token is called in the vocabulary: "<|im_end|>"; for any other token the same as TokenBytes.
  virtual std::string_view TokenName(int32_t id) const = 0;

  // The token whose TokenName is exactly this (the lowest id if several; none if no token is).
  virtual std::optional<int32_t> FindToken(std::string_view name) const = 0;

  virtual int32_t vocab_size() const = 0;
  virtual std::optional<int32_t> bos_id() const = 0;
  virtual std::optional<int32_t> eos_id() const = 0;
  // What the file's own word puts before and behind a text: bos (llama), nothing (gpt2, SmolLM2), two marks (GLM's
  // [gMASK]<sop>), bos and eos. Encode leaves both to the caller. A text that is to be gone on with (a prompt, a beginning) takes
  // the leading ids alone: an eos between it and what follows would end it. The trailing ids close a finished text.
  virtual std::span<const int32_t> leading_ids() const = 0;
  virtual std::span<const int32_t> trailing_ids() const = 0;
  bool prepends_bos() const { return bos_id() && !leading_ids().empty() && leading_ids().front() == *bos_id(); }

  // What is odd about the file and was put right: a line each, for people.
  virtual const std::vector<std::string>& remarks() const = 0;

  // A hash of all that decides the ids: vocabulary, merges or scores, pre-tokeniser, normaliser. Not of bos and eos. The same
  // tokenizer read from GGUF and from tokenizer.json has the same digest if both mark the same tokens as special.
  virtual uint64_t digest() const = 0;
};

// Loads by content:
//   *.gguf                              metadata tokenizer.ggml.*: model gpt2 (byte-level BPE) or llama (SentencePiece BPE)
//   tokenizer.json                      Hugging Face: byte-level BPE, or SentencePiece-style BPE with byte fallback
//   encoder.json + vocab.bpe            GPT-2's vocabulary and merges, or vocab.json + merges.txt; path is one of the two
//   *.model                             a SentencePiece model, BPE or unigram
//   tokenizer.bin                       llama2.c's layout
//   a folder                            the first of tokenizer.json, tokenizer.model, vocab.json, encoder.json, tokenizer.bin
// Who decides on leading and trailing ids, and on added tokens:
//   GGUF                   the keys add_bos_token, add_eos_token, add_sep_token, else llama.cpp's defaults (bos for `llama`, and
//   for
//                          `gpt2` where the pre-tokeniser is of llama-bpe's family); token_type says which tokens are special. A
//                          special id outside the vocabulary is a remark, and llama.cpp's default stands for it.
//   tokenizer.json         its post_processor and nothing else; its added_tokens, and those of tokenizer_config.json
//   *.model, vocab + merges  add_bos_token and add_eos_token of tokenizer_config.json (absent: bos for *.model, none for vocab
//   and
//                          merges); added_tokens_decoder there, or else added_tokens.json and special_tokens_map.json
//   tokenizer.bin          bos
// bos and eos of Hugging Face files come from tokenizer_config.json, or else config.json, in the same folder. The class that is
// named there counts as it does in transformers 5: llm/tokenizer/hf_config.h. A pre-tokeniser, normaliser, post-processor or
// model kind that is not known is refused with the known ones; a damaged file is DataLoss naming what and where.
StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& path);

}  // namespace gfn
