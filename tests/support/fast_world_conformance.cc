// The fast face of a world (core/fast_world.h) against its tensor methods, along random trajectories.
#include <gtest/gtest.h>

#include "gflownet/core/fast_world.h"
#include "gflownet/core/rollout.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

at::Tensor AsTensor(const bool* values, int64_t count) {
  at::Tensor tensor = at::empty({1, count}, at::kBool);
  std::copy_n(values, count, tensor.mutable_data_ptr<bool>());
  return tensor;
}

void CheckRow(const Environment& environment, const FastWorld& world, const int32_t* row, const State& state) {
  const EnvironmentSpec& spec = environment.Spec();
  EXPECT_TRUE(world.StateOfRows(row, 1).Equals(state)) << environment.Format(state, 0);
  std::vector<int32_t> back(world.RowWords());
  world.RowsOfState(state, back.data());
  EXPECT_TRUE(std::equal(back.begin(), back.end(), row));
  EXPECT_EQ(world.RowIsDone(row), state.done_B()[0].item<bool>());
  const auto legal = std::make_unique<bool[]>(std::max(spec.num_actions, spec.num_backward_actions));
  if (!world.RowIsDone(row)) {
    world.LegalOfRow(row, legal.get());
    EXPECT_TRUE(AsTensor(legal.get(), spec.num_actions).equal(environment.ForwardSupport(state).Dense()));
  }
  if (!spec.is_tree) {
    world.LegalBackOfRow(row, legal.get());
    EXPECT_TRUE(AsTensor(legal.get(), spec.num_backward_actions).equal(environment.BackwardSupport(state).Dense()));
  }
  std::vector<int32_t> index(world.MaxActive());
  std::vector<float> value(world.MaxActive());
  const int64_t count = world.FeaturesOfRow(row, index.data(), value.data());
  ASSERT_LE(count, world.MaxActive());
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_TRUE(index[i] >= 0 && index[i] < world.NumRowFeatures());
    EXPECT_EQ(std::count(index.begin(), index.begin() + count, index[i]), 1) << "a feature twice";
  }
}

}  // namespace

void CheckFastWorld(const Environment& environment, const FastWorld& world, const TrajectoryBatch& batch) {
  const std::vector<State> states = Unroll(environment, batch);
  for (int64_t b = 0; b < batch.size() && !testing::Test::HasFailure(); ++b) {
    const at::Tensor row_1 = at::full({1}, b, at::kLong);
    std::vector<int32_t> row(world.RowWords());
    world.InitialRow(row.data());
    CheckRow(environment, world, row.data(), states[0].Gather(row_1));
    for (int64_t k = 0; k < batch.lengths_B[b].item<int64_t>(); ++k) {
      const int64_t action = batch.actions_BT[b][k].item<int64_t>();
      if (!environment.Spec().is_tree) {
        EXPECT_EQ(world.BackwardActionOfRow(row.data(), action), batch.backward_actions_BT[b][k].item<int64_t>());
      }
      world.StepRow(row.data(), action);
      CheckRow(environment, world, row.data(), states[k + 1].Gather(row_1));
    }
  }
  EXPECT_TRUE(FinalStates(environment, batch).Equals(states.back()));
}

}  // namespace gfn
