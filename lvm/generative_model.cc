#include "lvm/generative_model.h"

#include "gflownet/base/text_util.h"

namespace gfn {

Status GenerativeModel::Maximise(const TrajectoryBatch&, double) {
  return InvalidArgument(Digest() + " has no M-step in closed form");
}

StatusOr<RewardValue> ModelReward::LogReward(const TrajectoryBatch& batch) const {
  const at::NoGradGuard no_grad;
  ASSIGN_OR_RETURN(const at::Tensor log_joint_B, model_.LogJoint(batch));
  return RewardValue{log_joint_B.clamp_min(floor_), {{"log_joint", log_joint_B}}};
}

std::string ModelReward::Digest() const { return model_.Digest() + " floor=" + FormatReal(floor_); }

}  // namespace gfn
