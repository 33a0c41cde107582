// A world and a reward of one's own, outside the library's tree: stairs that are climbed by one or two steps at a time and left
// at any of them. Trained with trajectory balance; prints how far the learned distribution is from the target, computed exactly.
#include <ATen/ATen.h>

#include <iostream>

#include "gflownet/core/log_z.h"
#include "gflownet/core/trainer.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/state_policies.h"

using gfn::ConditionId, gfn::State, gfn::Support;
constexpr int64_t kTop = 12, kStop = 2;  // actions 0 and 1 climb one and two steps

class Stairs : public gfn::EnumerableEnvironment {
 public:
  static State At(const at::Tensor& step_B, const at::Tensor& done_B) { return State(done_B).Set("step", step_B); }
  static const at::Tensor& StepOf(const State& state) { return state.Get("step"); }
  const gfn::EnvironmentSpec& Spec() const override { return spec_; }
  State Initial(const std::vector<ConditionId>& ids) const override {
    return StatesAt(at::zeros({static_cast<int64_t>(ids.size())}, at::kLong), {});
  }
  State Step(const State& s, const at::Tensor& a, const at::Tensor&) const override {
    const at::Tensor stays = s.done_B().logical_or(a.eq(kStop));
    return At(StepOf(s) + (a + 1).masked_fill(stays, 0), stays);
  }
  State Undo(const State& s, const at::Tensor& a) const override {
    return At(StepOf(s) - (a + 1).masked_fill(s.done_B().logical_or(IsInitial(s)), 0), s.done_B().logical_and(a.ne(kStop)));
  }
  at::Tensor BackwardAction(const State&, const at::Tensor& a, const at::Tensor&) const override { return a; }
  Support ForwardSupport(const State& s) const override {
    return Masked(at::stack({StepOf(s).lt(kTop), StepOf(s).lt(kTop - 1), at::ones_like(s.done_B())}, 1), s.done_B());
  }
  Support BackwardSupport(const State& s) const override {
    const at::Tensor inside = s.done_B().logical_not();
    return Masked(at::stack({StepOf(s).ge(1) & inside, StepOf(s).ge(2) & inside, s.done_B()}, 1), IsInitial(s));
  }
  at::Tensor IsInitial(const State& s) const override { return StepOf(s).eq(0) & s.done_B().logical_not(); }
  std::string Format(const State& s, int64_t row) const override {
    return "step " + std::to_string(StepOf(s)[row].item<int64_t>());
  }
  std::string SupportDigest() const override { return "stairs of " + std::to_string(kTop); }
  int64_t NumStates() const override { return kTop + 1; }
  int64_t NumObjects() const override { return kTop + 1; }
  State StatesAt(const at::Tensor& index, ConditionId) const override { return At(index, at::zeros_like(index, at::kBool)); }
  State ObjectsAt(const at::Tensor& index, ConditionId) const override { return At(index, at::ones_like(index, at::kBool)); }
  at::Tensor StateIndex(const State& s) const override { return StepOf(s); }
  at::Tensor ObjectIndex(const State& s) const override { return StepOf(s); }

 private:
  static Support Masked(const at::Tensor& mask, const at::Tensor& done) {
    return {.num_actions = 3, .mask_BA = mask, .done_B = done};
  }
  gfn::EnvironmentSpec spec_{
      .name = "stairs", .num_actions = 3, .num_backward_actions = 3, .max_steps = kTop + 1, .stop_actions = {kStop}};
};

struct EveryFourthStep : gfn::StateReward {  // R = 10 on every fourth step, else 1
  using StateReward::StateReward;
  at::Tensor LogRewardOf(const State& s) const override {
    return (1 + 9 * Stairs::StepOf(s).remainder(4).eq(0).to(at::kDouble)).log();
  }
  std::string Digest() const override { return "every fourth step"; }
};

int main() {
  const Stairs stairs;
  const EveryFourthStep reward(stairs);
  gfn::ConditionTable conditions;
  gfn::ParameterSet parameters;
  const ConditionId none = conditions.Insert("").value();
  const gfn::TabularPolicy policy(stairs, {none}, parameters, {});
  const gfn::LogZPolicy with_log_z(policy, conditions, parameters, {});
  const auto objective = gfn::MakeObjective(gfn::TbConfig{}).value();
  gfn::Optimizer optimizer = gfn::Optimizer::Create({.learning_rate = 0.05}, &parameters).value();
  auto trainer = gfn::Trainer::Create({.rollouts = 64}, {.environment = &stairs,
                                                         .policy = &with_log_z,
                                                         .reward = &reward,
                                                         .objective = objective.get(),
                                                         .parameters = &parameters,
                                                         .optimizer = &optimizer,
                                                         .conditions = {none},
                                                         .seed = 1})
                     .value();
  for (int step = 0; step < 400; ++step) {
    if (const auto metrics = trainer->Step(); !metrics.ok()) return std::cerr << metrics.status() << "\n", 1;
  }
  const at::Tensor objects = at::arange(stairs.NumObjects(), at::kLong);
  const auto error =
      gfn::CompareWithTarget(gfn::ExactLogTerminating(stairs, policy, none), reward.LogRewardOf(stairs.ObjectsAt(objects, none)));
  std::cout << "total variation " << error.total_variation << "\n";
}
