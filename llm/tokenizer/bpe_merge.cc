#include "llm/tokenizer/bpe_merge.h"

#include <cstdint>
#include <queue>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

constexpr size_t kMaxScan = 48;  // symbols; where the heap begins to win (measured: 40 to 60)

// A pair that was seen to merge. It is stale if either symbol has changed since.
struct Candidate {
  int32_t rank;
  int32_t left;  // position
  int32_t left_symbol;
  int32_t right_symbol;
  int32_t merged;

  // For a heap whose top is the lowest rank, then the leftmost.
  bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
};

struct Node {
  int32_t symbol;  // -1: swallowed by its left neighbour
  int32_t previous;
  int32_t next;  // size if none
};

}  // namespace

void MergeByScan(const MergeTable& merges, std::vector<int32_t>* symbols) {
  size_t n = symbols->size();
  if (n < 2) return;
  GFN_CHECK_LE(n, kMaxScan);
  int32_t* symbol = symbols->data();
  BpeMerge pair[kMaxScan];  // pair[i]: what symbols i and i + 1 become
  for (size_t i = 0; i + 1 < n; ++i) pair[i] = merges.Find(symbol[i], symbol[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (pair[i].rank < pair[best].rank) best = i;
    }
    if (pair[best].rank == MergeTable::kNoRank) break;
    symbol[best] = pair[best].id;
    --n;
    for (size_t i = best + 1; i < n; ++i) {
      symbol[i] = symbol[i + 1];
      pair[i - 1] = pair[i];
    }
    if (best > 0) pair[best - 1] = merges.Find(symbol[best - 1], symbol[best]);
    if (best + 1 < n) pair[best] = merges.Find(symbol[best], symbol[best + 1]);
  }
  symbols->resize(n);
}

void MergeByHeap(const MergeTable& merges, std::vector<int32_t>* symbols) {
  GFN_CHECK_LT(symbols->size(), static_cast<size_t>(INT32_MAX));
  const int32_t size = static_cast<int32_t>(symbols->size());
  std::vector<Node> nodes(symbols->size());
  for (int32_t i = 0; i < size; ++i) nodes[i] = {(*symbols)[i], i - 1, i + 1};
  std::vector<Candidate> storage;
  storage.reserve(symbols->size());
  std::priority_queue<Candidate> heap(std::less<Candidate>(), std::move(storage));
  const auto consider = [&](int32_t left) {
    if (left < 0 || nodes[left].next >= size) return;
    const int32_t a = nodes[left].symbol, b = nodes[nodes[left].next].symbol;
    const BpeMerge merge = merges.Find(a, b);
    if (merge.rank != MergeTable::kNoRank) heap.push({merge.rank, left, a, b, merge.id});
  };
  for (int32_t i = 0; i + 1 < size; ++i) consider(i);
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    Node& left = nodes[top.left];
    if (left.symbol != top.left_symbol || left.next >= size || nodes[left.next].symbol != top.right_symbol) continue;
    Node& right = nodes[left.next];
    left.symbol = top.merged;
    left.next = right.next;
    right.symbol = -1;
    if (left.next < size) nodes[left.next].previous = top.left;
    consider(left.previous);
    consider(top.left);
  }
  symbols->clear();
  for (int32_t i = 0; i < size; i = nodes[i].next) symbols->push_back(nodes[i].symbol);
}

void MergeSymbols(const MergeTable& merges, std::vector<int32_t>* symbols) {
  if (symbols->size() <= kMaxScan) {
    MergeByScan(merges, symbols);
  } else {
    MergeByHeap(merges, symbols);
  }
}

}  // namespace gfn
