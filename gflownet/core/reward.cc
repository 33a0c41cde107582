#include "gflownet/core/reward.h"

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

// Entry of the last step of each row. [B]
at::Tensor LastStep(const at::Tensor& values_BT, const at::Tensor& lengths_B) {
  return values_BT.gather(1, (lengths_B - 1).unsqueeze(1)).squeeze(1);
}

// Refuses the first value that is not finite, naming where it is.
Status CheckFinite(const std::string& term, const at::Tensor& values, const TrajectoryBatch& batch) {
  const at::Tensor bad = values.isfinite().logical_not();
  if (!bad.any().item<bool>()) return OkStatus();
  const at::Tensor place = bad.nonzero()[0];
  const int64_t row = place[0].item<int64_t>();
  std::string message = "reward: " + term + " is " + FormatReal(values.flatten()[bad.flatten().nonzero()[0][0]].item<double>()) +
                        ", expected a finite number; row " + std::to_string(row) + " of condition " +
                        batch.condition_ids[row].ToString();
  if (values.dim() == 2) message += ", stopping after " + std::to_string(place[1].item<int64_t>()) + " actions";
  return InvalidArgument(message);
}

Status EvaluateEnergies(const Reward& reward, TrajectoryBatch& batch) {
  const auto* energies = dynamic_cast<const EnergyReward*>(&reward);
  GFN_CHECK(energies != nullptr) << "no energies of states: " << reward.Digest();
  ASSIGN_OR_RETURN(const at::Tensor value_BT, energies->LogRewardOfStates(batch));
  const at::Tensor mask_BT = batch.StepMask();
  RETURN_IF_ERROR(CheckRewardShape("log R of states", value_BT, mask_BT.sizes()));
  batch.log_reward_along_BT = value_BT.to(at::kDouble).masked_fill(mask_BT.logical_not(), 0);
  return CheckFinite("log R of a state", batch.log_reward_along_BT, batch);
}

}  // namespace

Status CheckRewardShape(const std::string& what, const at::Tensor& found, at::IntArrayRef expected) {
  if (found.defined() && found.sizes() == expected && found.is_floating_point()) return OkStatus();
  std::ostringstream message;
  message << "reward: " << what << " must be a float tensor " << expected << ", found ";
  found.defined() ? message << found.scalar_type() << " " << found.sizes() : message << "nothing";
  return FailedPrecondition(message.str());
}

StatusOr<RewardValue> PrefixReward::LogReward(const TrajectoryBatch& batch) const {
  TrajectoryBatch finished = batch;
  const at::Tensor steps_T = at::arange(batch.num_steps(), batch.lengths_B.options());
  finished.stop_legal_BT = steps_T.unsqueeze(0).eq((batch.lengths_B - 1).unsqueeze(1));
  ASSIGN_OR_RETURN(RewardValueAlong along, LogRewardAlong(finished));
  return RewardValue{LastStep(along.log_reward_along_BT, batch.lengths_B), std::move(along.terms)};
}

StatusOr<RewardValue> StateReward::LogReward(const TrajectoryBatch& batch) const {
  return RewardValue{LogRewardOf(FinalStates(environment_, batch)), {}};
}

StatusOr<RewardValueAlong> StateReward::LogRewardAlong(const TrajectoryBatch& batch) const {
  // The states before each step, step-major, cut to those where this row's stop is legal, then stopped.
  std::vector<State> states = Unroll(environment_, batch);
  states.pop_back();
  const at::Tensor legal_BT = batch.stop_legal_BT.logical_and(batch.StepMask());
  const at::Tensor places_M = legal_BT.t().flatten().nonzero().squeeze(1);
  const at::Tensor rows_M = places_M.remainder(batch.size());
  const at::Tensor stops_M = LastStep(batch.actions_BT, batch.lengths_B).index_select(0, rows_M);
  // Of a stop action the only outcome is 0.
  const State objects = environment_.Step(State::Concatenate(states).Gather(places_M), stops_M, at::zeros_like(stops_M));
  const at::Tensor values_M = LogRewardOf(objects);
  RETURN_IF_ERROR(CheckRewardShape("log R", values_M, {objects.batch_size()}));
  const at::Tensor values_TB =
      at::zeros({batch.num_steps() * batch.size()}, values_M.options()).index_copy(0, places_M, values_M);
  return RewardValueAlong{values_TB.view({batch.num_steps(), batch.size()}).t().contiguous(), {}};
}

Status EvaluateReward(const Reward& reward, TrajectoryBatch& batch, bool along) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> terms;
  batch.reward_terms.clear();
  if (along && batch.stop_legal_BT.defined()) {
    const auto* prefix_reward = dynamic_cast<const PrefixReward*>(&reward);
    GFN_CHECK(prefix_reward != nullptr) << "no rewards at prefixes: " << reward.Digest();
    ASSIGN_OR_RETURN(RewardValueAlong value, prefix_reward->LogRewardAlong(batch));
    RETURN_IF_ERROR(CheckRewardShape("log R along", value.log_reward_along_BT, batch.stop_legal_BT.sizes()));
    const at::Tensor legal_BT = batch.stop_legal_BT.logical_and(batch.StepMask());
    batch.log_reward_along_BT = value.log_reward_along_BT.to(at::kDouble).masked_fill(legal_BT.logical_not(), 0);
    RETURN_IF_ERROR(CheckFinite("log R", batch.log_reward_along_BT, batch));
    if (!LastStep(legal_BT, batch.lengths_B).all().item<bool>())
      return FailedPrecondition("reward: a row ended where stopping is illegal");
    batch.log_reward_B = LastStep(batch.log_reward_along_BT, batch.lengths_B);
    terms = std::move(value.terms);
  } else {
    ASSIGN_OR_RETURN(RewardValue value, reward.LogReward(batch));
    RETURN_IF_ERROR(CheckRewardShape("log R", value.log_reward_B, {batch.size()}));
    RETURN_IF_ERROR(CheckFinite("log R", value.log_reward_B, batch));
    batch.log_reward_along_BT = at::Tensor();
    batch.log_reward_B = value.log_reward_B.to(at::kDouble);
    terms = std::move(value.terms);
    if (along) RETURN_IF_ERROR(EvaluateEnergies(reward, batch));
  }
  for (const auto& [name, value_B] : terms) {
    RETURN_IF_ERROR(CheckRewardShape("term " + name, value_B, {batch.size()}));
    RETURN_IF_ERROR(CheckFinite("term " + name, value_B, batch));
    batch.reward_terms[name] = value_B.to(at::kDouble);
  }
  return OkStatus();
}

Targets ApplyTemperature(const TrajectoryBatch& batch, double temperature, at::Device device) {
  GFN_CHECK(temperature > 0) << "reward temperature " << temperature;
  Targets targets;
  if (batch.log_reward_B.defined()) targets.log_reward_B = batch.log_reward_B.to(device, at::kDouble) / temperature;
  targets.weight_B = batch.weight_B.defined() ? batch.weight_B.to(device, at::kDouble)
                                              : at::ones({batch.size()}, at::TensorOptions().dtype(at::kDouble).device(device));
  if (batch.log_reward_along_BT.defined()) {
    targets.log_reward_along_BT = batch.log_reward_along_BT.to(device, at::kDouble) / temperature;
    if (batch.stop_legal_BT.defined()) targets.stop_legal_BT = batch.stop_legal_BT.logical_and(batch.StepMask()).to(device);
  }
  return targets;
}

}  // namespace gfn
