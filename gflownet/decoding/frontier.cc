#include "gflownet/decoding/frontier.h"

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {

namespace {

std::vector<bool> Flags(const at::Tensor& flags_N) {
  const at::Tensor flags = flags_N.contiguous();
  const bool* first = flags.const_data_ptr<bool>();
  return std::vector<bool>(first, first + flags.numel());
}

}  // namespace

Frontier::Frontier(const Environment& environment, const Policy& policy, const std::vector<ConditionId>& conditions)
    : environment_(environment), state_(environment.Initial(conditions)), session_(policy.StartRollout(conditions)) {
  GFN_CHECK(session_->MayRepeatRows()) << "the policy's sessions cannot split rows";
}

StatusOr<at::Tensor> Frontier::LogProbs(const Exploration& exploration) {
  const at::Tensor logits_NA = session_->Logits(state_);
  if (!at::isfinite(logits_NA).all().item<bool>()) return FailedPrecondition("decoding: logits that are not finite");
  const at::Tensor legal_NA = environment_.ForwardSupport(state_).Dense().to(logits_NA.device());
  num_actions_ += size();
  const at::Tensor chosen_NA = BehaviourLogits(logits_NA, legal_NA, std::vector<Exploration>(size(), exploration));
  return MaskedLogSoftmax(chosen_NA.to(at::kCPU, at::kDouble));
}

std::vector<bool> Frontier::Advance(const std::vector<int64_t>& actions_N) {
  const at::Tensor actions = at::tensor(actions_N, at::kLong);
  session_->Advance(actions);
  state_ = environment_.Step(state_, actions);
  return Flags(state_.done_B());
}

std::vector<bool> Frontier::StopLegal() const {
  const at::Tensor legal_N = environment_.ForwardSupport(state_).stop_legal_B;
  return legal_N.defined() ? Flags(legal_N) : std::vector<bool>(static_cast<size_t>(size()), false);
}

void Frontier::Select(const std::vector<int64_t>& rows) {
  const at::Tensor index = at::tensor(rows, at::kLong);
  state_ = state_.Gather(index);
  if (!rows.empty()) session_->Keep(index);
}

}  // namespace gfn
