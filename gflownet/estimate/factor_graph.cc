#include "gflownet/estimate/factor_graph.h"

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"

namespace gfn {

PairModule::PairModule(std::string name, const std::vector<std::pair<int64_t, int64_t>>& pairs, ParameterSet& parameters)
    : FactorModule(std::move(name)) {
  std::vector<int64_t> first, second;
  for (const auto& [i, j] : pairs) {
    GFN_CHECK(i >= 0 && j >= 0 && i != j) << "pair " << i << ", " << j;
    first.push_back(i);
    second.push_back(j);
  }
  first_M_ = at::tensor(first, at::kLong);
  second_M_ = at::tensor(second, at::kLong);
  weights_M_ = parameters.Add(this->name(), FactorGraph::kGroup, at::zeros({first_M_.numel()}, at::kDouble));
}

at::Tensor PairModule::LogFactor(const at::Tensor& variables_BV) const {
  return (variables_BV.index_select(1, first_M_) * variables_BV.index_select(1, second_M_)).mv(weights_M_);
}

FieldModule::FieldModule(std::string name, int64_t num_variables, ParameterSet& parameters) : FactorModule(std::move(name)) {
  field_V_ = parameters.Add(this->name(), FactorGraph::kGroup, at::zeros({num_variables}, at::kDouble));
}

at::Tensor FieldModule::LogFactor(const at::Tensor& variables_BV) const { return variables_BV.mv(field_V_); }

at::Tensor FunctionModule::LogFactor(const at::Tensor& variables_BV) const {
  return log_factor_(variables_BV.index_select(1, at::tensor(scope_, at::kLong)));
}

FactorGraph& FactorGraph::Add(std::unique_ptr<FactorModule> module) {
  for (const auto& other : modules_) GFN_CHECK(other->name() != module->name()) << "two modules named " << module->name();
  modules_.push_back(std::move(module));
  return *this;
}

at::Tensor FactorGraph::LogScore(const at::Tensor& variables_BV) const {
  at::Tensor sum_B = at::zeros({variables_BV.size(0)}, at::kDouble);
  for (const auto& module : modules_) sum_B = sum_B + module->LogFactor(variables_BV).to(at::kDouble);
  return sum_B;
}

at::Tensor FactorGraphReward::LogRewardOf(const State& objects) const {
  const at::NoGradGuard no_grad;
  return graph_.LogScore(variables_(objects));
}

StatusOr<RewardValue> FactorGraphReward::LogReward(const TrajectoryBatch& batch) const {
  const at::NoGradGuard no_grad;
  const at::Tensor variables_BV = variables_(FinalStates(environment_, batch));
  RewardValue value{at::zeros({batch.size()}, at::kDouble), {}};
  for (const auto& module : graph_.modules()) {
    const at::Tensor term_B = module->LogFactor(variables_BV).to(at::kDouble);
    value.terms[module->name()] = term_B;
    value.log_reward_B = value.log_reward_B + term_B;
  }
  return value;
}

std::string FactorGraphReward::Digest() const {
  std::string digest = "factor graph:";
  for (const auto& module : graph_.modules()) digest += " " + module->name();
  return digest;
}

}  // namespace gfn
