// A tokenizer as the files of a Hugging Face folder, read by transformers and by LoadTokenizer. What comes from such a folder is
// copied; what only GGUF and llama2.c know is written as tokenizer.json and tokenizer_config.json.
#pragma once

#include <string>

#include "gflownet/base/status.h"

namespace gfn {

// from: what LoadTokenizer reads (a folder, a GGUF file, tokenizer.json, vocab.json or merges.txt, a SentencePiece model,
// llama2.c's tokenizer.bin). Files that are in `folder` under these names are replaced. With the tokenizer goes what belongs to
// it: added and special tokens, chat templates.
//
// SentencePiece by scores (GGUF, llama2.c) becomes merges in the order of the scores, as transformers' own converter does it: a
// text whose parts merge into one piece in two overlapping ways of equal score may be cut in the other one.
Status ExportTokenizer(const std::string& from, const std::string& folder);

}  // namespace gfn
