#include "llm/model/kv_cache.h"

#include <algorithm>

#include "gflownet/base/check.h"

namespace gfn {

KvCache::KvCache(const LanguageModel& model, int64_t num_slots) : device_(model.device()) {
  const auto options = at::TensorOptions().dtype(model.activation_type()).device(device_);
  const int64_t width = model.config().num_kv_heads * model.config().head_dim;
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    keys_.push_back(at::empty({0, width}, options));
    values_.push_back(at::empty({0, width}, options));
  }
  if (num_slots > 0) Grow(num_slots);
}

void KvCache::Grow(int64_t num_slots) {
  if (num_slots <= num_slots_) return;
  num_slots = std::max(num_slots, 2 * num_slots_);
  for (auto* arenas : {&keys_, &values_}) {
    for (at::Tensor& arena : *arenas) {
      // Slots that nobody wrote are never read, but a kernel may multiply them by zero: they must be finite.
      at::Tensor larger = at::zeros({num_slots, arena.size(1)}, arena.options());
      larger.narrow(0, 0, arena.size(0)).copy_(arena);
      arena = larger;
    }
  }
  num_slots_ = num_slots;
}

int32_t KvCache::AddSegment(int32_t parent, int32_t offset, int32_t max_tokens) {
  const int32_t depth = parent < 0 ? 0 : segments_[parent].depth + offset;
  GFN_CHECK(parent < 0 || offset <= segments_[parent].capacity) << "offset " << offset << " of segment " << parent;
  segments_.push_back({parent, offset, static_cast<int32_t>(used_slots_), max_tokens, 0, depth});
  used_slots_ += max_tokens;
  Grow(used_slots_);
  return static_cast<int32_t>(segments_.size()) - 1;
}

PackedForest KvCache::Plan(std::span<const Append> appends) {
  PackedForest packed;
  std::vector<int64_t> slots;
  for (const Append& append : appends) {
    CachedSegment& segment = segments_[append.segment];
    const int32_t count = static_cast<int32_t>(append.tokens.size());
    GFN_CHECK_LE(segment.length + count, segment.capacity);
    const int32_t start = static_cast<int32_t>(packed.token_ids.size());
    const int32_t range_begin = static_cast<int32_t>(packed.ranges.size());
    if (segment.length > 0) packed.ranges.push_back({segment.begin, segment.length});
    for (const CachedSegment* child = &segment; child->parent >= 0; child = &segments_[child->parent]) {
      if (child->offset > 0) packed.ranges.push_back({segments_[child->parent].begin, child->offset});
    }
    std::reverse(packed.ranges.begin() + range_begin, packed.ranges.end());  // from the root down
    packed.starts.push_back(start);
    packed.blocks.push_back(
        {start, count, segment.begin + segment.length, range_begin, static_cast<int32_t>(packed.ranges.size()) - range_begin});
    for (int32_t i = 0; i < count; ++i) {
      packed.token_ids.push_back(append.tokens[i]);
      packed.positions.push_back(segment.depth + segment.length + i);
      slots.push_back(segment.begin + segment.length + i);
    }
    segment.length += count;
  }
  packed.num_keys = num_slots_;
  slots_N_ = at::empty({static_cast<int64_t>(slots.size())}, at::kLong);
  std::copy(slots.begin(), slots.end(), slots_N_.mutable_data_ptr<int64_t>());
  slots_N_ = slots_N_.to(device_);
  return packed;
}

void KvCache::Write(int64_t layer, const at::Tensor& qkv_NW, int64_t begin) {
  const int64_t width = keys_[layer].size(1);
  if (!device_.is_cpu() || qkv_NW.scalar_type() != at::kFloat) {
    keys_[layer].index_copy_(0, slots_N_, qkv_NW.narrow(1, begin, width));
    values_[layer].index_copy_(0, slots_N_, qkv_NW.narrow(1, begin + width, width));
    return;
  }
  const float* row = qkv_NW.const_data_ptr<float>() + begin;
  float *keys = keys_[layer].mutable_data_ptr<float>(), *values = values_[layer].mutable_data_ptr<float>();
  const int64_t* slots = slots_N_.const_data_ptr<int64_t>();
  for (int64_t n = 0; n < qkv_NW.size(0); ++n, row += qkv_NW.stride(0)) {
    std::copy_n(row, width, keys + slots[n] * width);
    std::copy_n(row + width, width, values + slots[n] * width);
  }
}

int64_t KvCache::bytes() const {
  int64_t total = 0;
  for (const auto* arenas : {&keys_, &values_}) {
    for (const at::Tensor& arena : *arenas) total += static_cast<int64_t>(arena.nbytes());
  }
  return total;
}

}  // namespace gfn
