#include "llm/generate/decode_session.h"

#include <algorithm>
#include <numeric>
#include <ranges>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

at::Tensor Index(const std::vector<int64_t>& values, at::Device device) {
  at::Tensor index = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), index.mutable_data_ptr<int64_t>());
  return index.to(device);
}

int64_t TotalSlots(const std::vector<std::vector<int32_t>>& prompts, size_t num_rows, int32_t max_new_tokens) {
  int64_t total = static_cast<int64_t>(num_rows) * max_new_tokens;
  for (const auto& prompt : prompts) total += static_cast<int64_t>(prompt.size());
  return total;
}

}  // namespace

DecodeSession::DecodeSession(const LanguageModel& model, const Adapter* adapter, const std::vector<std::vector<int32_t>>& prompts,
                             const std::vector<int32_t>& prompt_of_row, int32_t max_new_tokens)
    : model_(model),
      adapter_(adapter),
      packed_adapter_(adapter != nullptr ? PackedAdapter::Make(model, *adapter) : nullptr),
      cache_(model, TotalSlots(prompts, prompt_of_row.size(), max_new_tokens)) {
  std::vector<KvCache::Append> appends;
  std::vector<int64_t> last_rows;
  int64_t end = 0;
  for (const auto& prompt : prompts) {
    GFN_CHECK(!prompt.empty()) << "a prompt needs a token";
    appends.push_back({cache_.AddSegment(-1, 0, static_cast<int32_t>(prompt.size())), prompt});
    end += static_cast<int64_t>(prompt.size());
    last_rows.push_back(end - 1);
  }
  for (const int32_t prompt : prompt_of_row) {
    segment_of_row_.push_back(cache_.AddSegment(prompt, static_cast<int32_t>(prompts[prompt].size()), max_new_tokens));
    hidden_of_row_.push_back(prompt);
  }
  const PackedForest packed = cache_.Plan(appends);
  hidden_ = model_.ForwardCached(packed, last_rows, adapter_, cache_, packed_adapter_.get());
  num_computed_ = end;
}

at::Tensor DecodeSession::Logits() {
  Read();
  return ForEachRow(model_.Logits(hidden_));
}

at::Tensor DecodeSession::Hidden() {
  Read();
  return ForEachRow(hidden_);
}

// Rows of one prompt share what is behind it until their first token; afterwards there is one for each, and nothing to copy.
at::Tensor DecodeSession::ForEachRow(const at::Tensor& values) const {
  const bool one_each =
      num_rows() == values.size(0) && std::ranges::equal(hidden_of_row_, std::views::iota(int64_t{0}, num_rows()));
  return one_each ? values : values.index_select(0, Index(hidden_of_row_, values.device()));
}

void DecodeSession::Advance(std::span<const int32_t> tokens_N) {
  GFN_CHECK_EQ(static_cast<int64_t>(tokens_N.size()), num_rows());
  Read();
  taken_N_.assign(tokens_N.begin(), tokens_N.end());
}

void DecodeSession::Advance(const at::Tensor& tokens_N) {
  GFN_CHECK_EQ(tokens_N.numel(), num_rows());
  Read();
  taken_N_.assign(segment_of_row_.size(), 0);
  taken_on_device_N_ = tokens_N;
}

void DecodeSession::Read() {
  if (is_read()) return;
  std::vector<KvCache::Append> appends;
  const std::span<const int32_t> tokens = taken_N_;
  for (size_t n = 0; n < tokens.size(); ++n) appends.push_back({segment_of_row_[n], tokens.subspan(n, 1)});
  hidden_of_row_.resize(tokens.size());
  std::iota(hidden_of_row_.begin(), hidden_of_row_.end(), 0);
  const PackedForest packed = cache_.Plan(appends);
  hidden_ = model_.ForwardCached(packed, hidden_of_row_, adapter_, cache_, packed_adapter_.get(), taken_on_device_N_);
  num_computed_ += num_rows();
  taken_N_.clear();
  taken_on_device_N_ = at::Tensor();
}

void DecodeSession::Keep(std::span<const int64_t> rows) {
  std::vector<int32_t> segments, taken;
  std::vector<int64_t> hidden;
  std::vector<bool> is_taken(segment_of_row_.size());
  for (const int64_t row : rows) {
    int32_t segment = segment_of_row_[row];
    // The first keeps the segment, a copy goes on below what is in it now.
    if (is_taken[static_cast<size_t>(row)])
      segment = cache_.AddSegment(segment, cache_.length(segment), cache_.capacity(segment) - cache_.length(segment));
    is_taken[static_cast<size_t>(row)] = true;
    segments.push_back(segment);
    hidden.push_back(hidden_of_row_[row]);
    if (!is_read()) taken.push_back(taken_N_[row]);
  }
  if (taken_on_device_N_.defined()) {
    taken_on_device_N_ = taken_on_device_N_.index_select(0, Index({rows.begin(), rows.end()}, taken_on_device_N_.device()));
  }
  segment_of_row_ = std::move(segments);
  hidden_of_row_ = std::move(hidden);
  taken_N_ = std::move(taken);
}

}  // namespace gfn
