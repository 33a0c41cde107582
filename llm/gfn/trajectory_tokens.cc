#include "llm/gfn/trajectory_tokens.h"

#include "gflownet/base/check.h"

namespace gfn {

TokenTrajectories::TokenTrajectories(const TrajectoryBatch& batch) {
  GFN_CHECK(batch.stop_legal_BT.defined()) << "a token trajectory says where stops are legal (CompleteBatch)";
  const at::Tensor actions = batch.actions_BT.to(at::kCPU).contiguous(), legal = batch.stop_legal_BT.to(at::kCPU).contiguous();
  const at::Tensor lengths = batch.lengths_B.to(at::kCPU).contiguous();
  const int64_t T = batch.num_steps();
  for (int64_t b = 0; b < batch.size(); ++b) {
    const int64_t* row = actions.const_data_ptr<int64_t>() + b * T;
    const bool* row_legal = legal.const_data_ptr<bool>() + b * T;
    const int64_t length = lengths.const_data_ptr<int64_t>()[b];
    inner.emplace_back(row, row + length - 1);
    stop.push_back(row[length - 1]);
    stop_legal.emplace_back(row_legal, row_legal + length);
  }
}

at::Tensor IndexTensor(const std::vector<int64_t>& values) {
  at::Tensor out = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<int64_t>());
  return out;
}

}  // namespace gfn
