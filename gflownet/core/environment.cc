#include "gflownet/core/environment.h"

#include "gflownet/base/check.h"

namespace gfn {

at::Tensor Environment::BackwardAction(const State& state, const at::Tensor& actions_B) const {
  GFN_CHECK(Spec().is_tree) << Spec().name << " is not a tree and must define BackwardAction";
  (void)state;
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

at::Tensor Environment::DrawOutcome(const State&, const at::Tensor&, const RngKey&, const std::vector<uint64_t>&, uint64_t) const {
  GFN_CHECK(!Spec().is_stochastic) << Spec().name << " is stochastic and must define DrawOutcome";
  return {};
}

}  // namespace gfn
