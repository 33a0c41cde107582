// One loader a file format; llm/tokenizer/load_tokenizer.cc chooses by content. Each refuses damaged input with DataLoss and
// what it does not support with Unimplemented, naming the file and the place in it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/tokenizer/tokenizer.h"
#include "llm/tokenizer/vocabulary.h"
#include "nlohmann/json_fwd.hpp"

namespace gfn {

class GgufFile;

// tokenizer.ggml.* metadata.
StatusOr<std::unique_ptr<Tokenizer>> LoadGgufTokenizer(const GgufFile& file);

// Hugging Face's tokenizer.json, parsed; `path` names it, and bos and eos come from the configs beside it.
StatusOr<std::unique_ptr<Tokenizer>> LoadHfTokenizer(const nlohmann::json& root, const std::string& path);

// GPT-2's files: a JSON object of token -> id and a list of merges, a line each. What no merge makes and is no byte
// ("<|endoftext|>") is a special token.
StatusOr<std::unique_ptr<Tokenizer>> LoadVocabAndMerges(const nlohmann::json& vocab, const std::string& vocab_path,
                                                        std::string_view merges, const std::string& merges_path);

// A serialised SentencePiece ModelProto.
StatusOr<std::unique_ptr<Tokenizer>> LoadSentencePiece(std::string_view bytes, const std::string& path);

// llama2.c's tokenizer.bin: int32 length of the longest token, then for every token float32 score, int32 length, its bytes;
// little endian, up to the end of the file. Ids 0, 1, 2 are <unk>, <s>, </s>, as llama2.c takes for granted.
StatusOr<std::unique_ptr<Tokenizer>> LoadLlama2c(std::string_view bytes, const std::string& path);
// The file's content alone: spaces in it are spaces.
struct ScoredPieces {
  std::vector<Token> tokens;
  std::vector<float> scores;  // one a token
};
StatusOr<ScoredPieces> ReadLlama2cPieces(std::string_view bytes, const std::string& path);
// True if the file may be one: it begins with a small positive int32, which no other format does.
bool LooksLikeLlama2c(std::string_view bytes);

}  // namespace gfn
