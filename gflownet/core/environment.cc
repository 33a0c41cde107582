#include "gflownet/core/environment.h"

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {

at::Tensor Environment::BackwardAction(const State&, const at::Tensor& actions_B, const at::Tensor&) const {
  GFN_CHECK(Spec().is_tree) << Spec().name << " is not a tree and must define BackwardAction";
  return at::zeros_like(actions_B, at::kLong);
}

at::Tensor Environment::ForwardAction(const State& state, const at::Tensor& backward_actions_B) const {
  GFN_CHECK(Spec().action == EnvironmentSpec::Action::kDiscrete && !Spec().is_stochastic)
      << Spec().name << " has no way back by search";
  const State parent = Undo(state, backward_actions_B);
  const Support support = ForwardSupport(parent);
  const at::Tensor found_B =
      at::where(IsInitial(state), at::zeros_like(backward_actions_B), at::full_like(backward_actions_B, -1));
  for (int64_t action = 0; action < Spec().num_actions; ++action) {
    const at::Tensor legal_B = support.IsLegal(at::full_like(backward_actions_B, action)).logical_and(found_B.lt(0));
    const at::Tensor rows_N = legal_B.nonzero().squeeze(1);
    if (rows_N.numel() == 0) continue;
    const State from = parent.Gather(rows_N);
    const at::Tensor actions_N = at::full_like(rows_N, action);
    const at::Tensor fits_N = BackwardAction(from, actions_N)
                                  .eq(backward_actions_B.index_select(0, rows_N))
                                  .logical_and(Step(from, actions_N).EqualRows(state.Gather(rows_N)));
    found_B.index_copy_(0, rows_N, at::where(fits_N, actions_N, at::full_like(actions_N, -1)));
  }
  GFN_CHECK(found_B.ge(0).all().item<bool>()) << Spec().name << ": a backward action that no action undoes";
  return found_B;
}

std::string Environment::Format(const State& state, int64_t row) const {
  std::string text = state.done_B()[row].item<bool>() ? "done" : "open";
  for (const auto& [name, value_B] : state.tensors()) {
    text.append(" ").append(name);
    const at::Tensor values = value_B[row].flatten().to(at::kDouble);
    for (int64_t i = 0; i < values.numel(); ++i) text.append(" ").append(FormatReal(values[i].item<double>()));
  }
  return text;
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
