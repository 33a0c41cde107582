#include "llm/gfn/trajectory_tokens.h"

#include "gflownet/base/check.h"

namespace gfn {

TokenTrajectories::TokenTrajectories(const TrajectoryBatch& batch, bool ends_by_length) {
  const at::Tensor actions = batch.actions_BT.to(at::kCPU).contiguous(), lengths = batch.lengths_B.to(at::kCPU).contiguous();
  const int64_t T = batch.num_steps();
  for (int64_t b = 0; b < batch.size(); ++b) {
    const int64_t* row = actions.const_data_ptr<int64_t>() + b * T;
    const int64_t length = lengths.const_data_ptr<int64_t>()[b];
    inner.emplace_back(row, row + length - (ends_by_length ? 0 : 1));
    stop.push_back(ends_by_length ? -1 : row[length - 1]);
  }
  stop_legal.resize(static_cast<size_t>(batch.size()));
  if (ends_by_length) return;
  GFN_CHECK(batch.stop_legal_BT.defined()) << "a token trajectory says where stops are legal (CompleteBatch)";
  const at::Tensor legal = batch.stop_legal_BT.to(at::kCPU).contiguous();
  for (int64_t b = 0; b < batch.size(); ++b) {
    const bool* row = legal.const_data_ptr<bool>() + b * T;
    stop_legal[b].assign(row, row + lengths.const_data_ptr<int64_t>()[b]);
  }
}

at::Tensor IndexTensor(const std::vector<int64_t>& values) {
  at::Tensor out = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<int64_t>());
  return out;
}

}  // namespace gfn
