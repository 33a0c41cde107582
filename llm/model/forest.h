// A batch of token sequences as a forest of segments: the one shape of input of the language model.
//
// A position sees its own segment causally and each ancestor up to the offset at which the path leaves it. A prompt is a
// root, rollouts are branches, copies of a suffix are twigs that hang off any position of a branch:
//
//   X = root;  z = Add(X, |X|, z_1..z_n);  copy of Y behind z_1..z_k = Add(z, k, [stop, Y])
//
// PackForest lays all tokens out in one row of N positions and says, for each segment, which key slots its queries see.
// No N x N mask exists anywhere.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "llm/kernels/attention.h"

namespace gfn {

struct Segment {
  int32_t parent = -1;  // index of an earlier segment; -1: a root
  int32_t offset = 0;   // number of the parent's tokens that this segment sees
  std::vector<int32_t> tokens;
};

class Forest {
 public:
  // Adds a segment below `parent` (-1: a root) after the parent's first `offset` tokens; returns its index.
  int32_t Add(int32_t parent, int32_t offset, std::span<const int32_t> tokens);
  int32_t AddRoot(std::span<const int32_t> tokens) { return Add(-1, 0, tokens); }

  // Adds `tokens` below (parent, offset) as a path of a trie: what an earlier call below the same parent added is shared.
  // Returns the place of each token. `share` off: always a segment of its own (equal positions for benchmarks).
  struct Place {
    int32_t segment = -1;
    int32_t index = 0;  // within the segment
  };
  std::vector<Place> AddPath(int32_t parent, int32_t offset, std::span<const int32_t> tokens, bool share);

  const std::vector<Segment>& segments() const { return segments_; }
  int64_t num_tokens() const { return num_tokens_; }

 private:
  struct Child {
    int32_t offset;
    int32_t segment;
  };
  // The child of (segment, offset) whose first token is `token`, or -1.
  int32_t FindChild(int32_t segment, int32_t offset, int32_t token) const;

  std::vector<Segment> segments_;
  std::vector<std::vector<Child>> children_;  // of each segment
  int64_t num_tokens_ = 0;
};

// A forest laid out in one row. N positions; M key slots (M = N without a cache).
struct PackedForest {
  std::vector<int32_t> token_ids;  // [N]
  std::vector<int32_t> positions;  // [N] distance from the root of the path
  std::vector<int32_t> starts;     // [segments] first position of each segment
  std::vector<QueryBlock> blocks;  // one a segment
  std::vector<KeyRange> ranges;    // ancestor keys of the blocks
  int64_t num_keys = 0;            // M

  int64_t num_tokens() const { return static_cast<int64_t>(token_ids.size()); }
  int64_t Position(Forest::Place place) const { return starts[place.segment] + place.index; }
};

PackedForest PackForest(const Forest& forest);

}  // namespace gfn
