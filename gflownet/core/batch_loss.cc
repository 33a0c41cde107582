#include "gflownet/core/batch_loss.h"

namespace gfn {

Needs NeedsIn(const Environment& environment, const Objective& objective) {
  return environment.Spec().is_tree ? objective.needs().Without(Need::kLogPb) : objective.needs();
}

BatchLoss LossOfBatch(const Environment& environment, const Policy& policy, const Objective& objective,
                      const TrajectoryBatch& batch, const BatchLossOptions& options) {
  ScoreOptions score = options.score;
  score.needs = NeedsIn(environment, objective);
  TrajectoryScores scores = policy.Score(batch, score);
  Targets targets = ApplyTemperature(batch, options.temperature, scores.log_pf_BT.device());
  targets.sampled_log_pf_BT = options.sampled_log_pf_BT;
  GroupLoss loss = objective.Loss(scores, targets);
  return {std::move(scores), std::move(targets), std::move(loss)};
}

}  // namespace gfn
