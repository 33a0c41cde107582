#include "gflownet/core/log_z.h"

#include "gflownet/base/check.h"

namespace gfn {

LogZPolicy::LogZPolicy(const Policy& policy, const ConditionTable& conditions, ParameterSet& parameters,
                       const at::Tensor& initial_C)
    : policy_(policy), conditions_(conditions) {
  const at::Tensor start_C =
      initial_C.defined() ? initial_C.to(at::kFloat, false, true) : at::zeros({conditions.size()}, at::kFloat);
  GFN_CHECK(start_C.dim() == 1 && start_C.size(0) == conditions.size())
      << "log Z of " << conditions.size() << " conditions starts from " << start_C.sizes();
  log_z_C_ = parameters.Add("log_z", kGroup, start_C, parameters.TagOf({}));
}

TrajectoryScores LogZPolicy::Score(const TrajectoryBatch& batch, const ScoreOptions& options) const {
  ScoreOptions inner = options;
  inner.needs = options.needs.Without(Need::kLogZ);
  TrajectoryScores scores = policy_.Score(batch, inner);
  if (!options.needs.Has(Need::kLogZ)) return scores;
  std::vector<int64_t> index;
  for (const ConditionId id : GroupRows(batch.condition_ids).conditions) {
    index.push_back(conditions_.Index(id));
    GFN_CHECK_LT(index.back(), log_z_C_.size(0)) << "condition " << id.ToString() << " came after log Z was made";
  }
  const at::AutoGradMode grad_mode(options.with_grad);
  // A few numbers, which go where the other scores are.
  scores.log_z_G = log_z_C_.index_select(0, at::tensor(index, at::kLong).to(log_z_C_.device())).to(scores.device());
  return scores;
}

}  // namespace gfn
