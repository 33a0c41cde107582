#include "gflownet/core/policy.h"

namespace gfn {

StatusOr<at::Tensor> RolloutSession::Draw(const State&, const DrawAddress&) {
  return InvalidArgument("this policy has no continuous actions, but the world asks for them");
}

std::optional<StatusOr<WholeRollout>> RolloutSession::SampleWhole(const std::vector<RolloutRow>&, const RngKey&) {
  return std::nullopt;
}

}  // namespace gfn
