// Keys and values of a forest that grows: prompts are cached once, each rollout appends behind its prompt, in place.
//
// A segment reserves its slots when it is added; the arena grows by doubling. Rollouts that are finished are simply not
// appended to any more, so that dropping a row moves nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "llm/model/forest.h"
#include "llm/model/language_model.h"

namespace gfn {

class KvCache {
 public:
  explicit KvCache(const LanguageModel& model, int64_t num_slots = 0);

  // Room for a segment of at most max_tokens below (parent, offset); -1: a root. Returns its index.
  int32_t AddSegment(int32_t parent, int32_t offset, int32_t max_tokens);
  int32_t length(int32_t segment) const { return segments_[segment].length; }
  int32_t capacity(int32_t segment) const { return segments_[segment].capacity; }

  struct Append {
    int32_t segment;
    std::span<const int32_t> tokens;
  };
  // Reserves the next slots of each segment for these tokens and lays them out for ForwardCached, in the order given.
  PackedForest Plan(std::span<const Append> appends);

  // Writes a layer's keys and values of the last Plan's tokens, which are columns [begin, begin + K * D) of qkv [N, W] and the K
  // * D columns behind them.
  void Write(int64_t layer, const at::Tensor& qkv_NW, int64_t begin);
  const at::Tensor& keys(int64_t layer) const { return keys_[layer]; }      // [slots, K * D]
  const at::Tensor& values(int64_t layer) const { return values_[layer]; }  // [slots, K * D]
  int64_t bytes() const;

 private:
  struct CachedSegment {
    int32_t parent, offset, begin, capacity, length, depth;
  };
  void Grow(int64_t num_slots);

  at::Device device_;
  int64_t num_slots_ = 0, used_slots_ = 0;
  std::vector<CachedSegment> segments_;
  std::vector<at::Tensor> keys_, values_;
  at::Tensor slots_N_;  // of the tokens of the last Plan, int64 on the model's device
};

}  // namespace gfn
