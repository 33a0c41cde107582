#include "gflownet/core/log_z_network.h"

#include "gflownet/base/check.h"
#include "gflownet/core/log_z.h"

namespace gfn {
namespace {

std::vector<int64_t> LayerSizes(int64_t num_features, const LogZNetworkOptions& options) {
  std::vector<int64_t> sizes = {num_features};
  sizes.insert(sizes.end(), options.depth, options.width);
  sizes.push_back(1);
  return sizes;
}

}  // namespace

LogZNetworkPolicy::LogZNetworkPolicy(const Policy& policy, ConditionFeatures features, int64_t num_features,
                                     ParameterSet& parameters, const LogZNetworkOptions& options, const RngKey& init)
    : policy_(policy),
      features_(std::move(features)),
      network_(&parameters, "log_z", LogZPolicy::kGroup, LayerSizes(num_features, options), MlpActivation::kRelu, init,
               at::kFloat) {}

TrajectoryScores LogZNetworkPolicy::Score(const TrajectoryBatch& batch, const ScoreOptions& options) const {
  ScoreOptions inner = options;
  inner.needs = options.needs.Without(Need::kLogZ);
  TrajectoryScores scores = policy_.Score(batch, inner);
  if (!options.needs.Has(Need::kLogZ)) return scores;
  const at::AutoGradMode grad_mode(options.with_grad);
  scores.log_z_G = LogZ(GroupRows(batch.condition_ids).conditions).to(scores.device());
  return scores;
}

at::Tensor LogZNetworkPolicy::LogZ(const std::vector<ConditionId>& conditions) const {
  const at::Tensor features_GF = features_(conditions);
  GFN_CHECK(features_GF.dim() == 2 && features_GF.size(0) == static_cast<int64_t>(conditions.size())) << features_GF.sizes();
  return network_.Apply(features_GF.to(at::kFloat)).squeeze(1);
}

}  // namespace gfn
