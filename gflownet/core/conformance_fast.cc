// The fast face of a world (core/fast_world.h) against its tensor methods, along random trajectories.
#include <algorithm>
#include <memory>

#include "gflownet/core/conformance.h"
#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

at::Tensor AsTensor(const bool* values, int64_t count) {
  at::Tensor tensor = at::empty({1, count}, at::kBool);
  std::copy_n(values, count, tensor.mutable_data_ptr<bool>());
  return tensor;
}

void CompareRow(const Environment& environment, const FastWorld& world, const int32_t* row, const State& state,
                Findings& findings) {
  const EnvironmentSpec& spec = environment.Spec();
  findings.Expect(world.StateOfRows(row, 1).Equals(state), "StateOfRows: not '" + environment.Format(state, 0) + "'");
  std::vector<int32_t> back(world.RowWords());
  world.RowsOfState(state, back.data());
  findings.Expect(std::equal(back.begin(), back.end(), row),
                  "RowsOfState: not the row of '" + environment.Format(state, 0) + "'");
  findings.Expect(world.RowIsDone(row) == state.done_B()[0].item<bool>(), "RowIsDone: not what the state says");
  const auto legal = std::make_unique<bool[]>(std::max<int64_t>({spec.num_actions, spec.num_backward_actions, 1}));
  if (!world.RowIsDone(row)) {
    world.LegalOfRow(row, legal.get());
    findings.Expect(AsTensor(legal.get(), spec.num_actions).equal(environment.ForwardSupport(state).Dense()),
                    "LegalOfRow: not what ForwardSupport says of '" + environment.Format(state, 0) + "'");
  }
  if (!spec.is_tree) {
    world.LegalBackOfRow(row, legal.get());
    findings.Expect(AsTensor(legal.get(), spec.num_backward_actions).equal(environment.BackwardSupport(state).Dense()),
                    "LegalBackOfRow: not what BackwardSupport says of '" + environment.Format(state, 0) + "'");
  }
  std::vector<int32_t> index(world.MaxActive());
  std::vector<float> value(world.MaxActive());
  const int64_t count = world.FeaturesOfRow(row, index.data(), value.data());
  if (!findings.Expect(count <= world.MaxActive(), "FeaturesOfRow: more than MaxActive")) return;
  for (int64_t i = 0; i < count; ++i) {
    findings.Expect(index[i] >= 0 && index[i] < world.NumRowFeatures(), "FeaturesOfRow: a feature out of range");
    findings.Expect(std::count(index.begin(), index.begin() + count, index[i]) == 1, "FeaturesOfRow: a feature twice");
  }
}

}  // namespace

void FindFastDifferences(const Environment& environment, const FastWorld& world, const TrajectoryBatch& batch,
                         Findings& findings) {
  const std::vector<State> states = Unroll(environment, batch);
  for (int64_t b = 0; b < batch.size() && findings.empty(); ++b) {
    const at::Tensor row_1 = at::full({1}, b, at::kLong);
    std::vector<int32_t> row(world.RowWords());
    world.InitialRow(row.data());
    CompareRow(environment, world, row.data(), states[0].Gather(row_1), findings);
    for (int64_t k = 0; k < batch.lengths_B[b].item<int64_t>(); ++k) {
      const int64_t action = batch.actions_BT[b][k].item<int64_t>();
      if (!environment.Spec().is_tree) {
        findings.Expect(world.BackwardActionOfRow(row.data(), action) == batch.backward_actions_BT[b][k].item<int64_t>(),
                        "BackwardActionOfRow: not what BackwardAction says");
      }
      world.StepRow(row.data(), action);
      CompareRow(environment, world, row.data(), states[k + 1].Gather(row_1), findings);
    }
  }
  findings.Expect(FinalStates(environment, batch).Equals(states.back()), "StepRow: leads elsewhere than Step");
}

}  // namespace gfn
