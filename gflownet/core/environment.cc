#include "gflownet/core/environment.h"

#include "gflownet/base/check.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {

at::Tensor Environment::BackwardAction(const State&, const at::Tensor& actions_B, const at::Tensor&) const {
  GFN_CHECK(Spec().is_tree) << Spec().name << " is not a tree and must define BackwardAction";
  return at::zeros_like(actions_B, at::kLong);
}

Support Environment::BackwardSupport(const State& state) const {
  GFN_CHECK(Spec().is_tree) << Spec().name << " is not a tree and must define BackwardSupport";
  Support support;
  support.num_actions = 1;
  // "done" in this direction is: nothing before it.
  support.done_B = IsInitial(state);
  return support;
}

at::Tensor Environment::LogOutcomes(const State& state, const at::Tensor&) const {
  GFN_CHECK(!Spec().is_stochastic) << Spec().name << " is stochastic and must define LogOutcomes";
  return at::zeros({state.batch_size(), 1}, at::kDouble);
}

at::Tensor Environment::DrawOutcome(const State& state, const at::Tensor& actions_B, const RngKey& key,
                                    const std::vector<uint64_t>& streams_B, uint64_t position) const {
  if (!Spec().is_stochastic) return {};
  std::vector<double> uniforms;
  for (const uint64_t stream : streams_B) uniforms.push_back(Uniform(key, stream, position));
  const auto sample = SampleCategorical(LogOutcomes(state, actions_B), {}, at::tensor(uniforms, at::kDouble));
  GFN_CHECK(sample.ok()) << Spec().name << ": the probabilities of outcomes are not numbers";
  return sample->action_B;
}

}  // namespace gfn
