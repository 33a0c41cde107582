// The merge loop of byte pair encoding: of all neighbouring symbols that merge, the pair of the lowest rank does, the
// leftmost of equals, until none is left. Byte-level BPE ranks pairs by their line in the merges file; SentencePiece's BPE by
// the score of the piece they make. Paper: Sennrich, Haddow, Birch 2016, https://aclanthology.org/P16-1162 (algorithm 1).
#pragma once

#include <cstdint>
#include <vector>

#include "llm/tokenizer/token_table.h"

namespace gfn {

// Merges in place. Symbols are non-negative; a symbol that no merge knows stays where it is. Short words are merged by
// scanning (quadratic, but all in one cache line), long ones with a heap over a linked list, O(n log n).
void MergeSymbols(const MergeTable& merges, std::vector<int32_t>* symbols);

// The two ways, for the test that they agree.
void MergeByScan(const MergeTable& merges, std::vector<int32_t>* symbols);
void MergeByHeap(const MergeTable& merges, std::vector<int32_t>* symbols);

}  // namespace gfn
