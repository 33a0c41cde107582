#include "gflownet/env/windy_grid.h"

#include <gtest/gtest.h>

#include "gflownet/core/rollout.h"
#include "gflownet/env/training_fixture.h"
#include "tests/support/conformance.h"
#include "tests/support/world_conformance.h"

namespace gfn {
namespace {

TEST(WindyGrid, IsAWorld) { CheckWorld(CreateWorld(WindyGridConfig{.side = 4}).value(), "windy_grid"); }

TEST(WindyGrid, RolloutsBlowAsTheExactDistributionSays) {
  const WindyGrid grid({.side = 4, .gust = 0.4});
  ParameterSet parameters;
  const TabularPolicy policy(grid, {Unconditional()}, parameters, {.dtype = at::kDouble});
  FillParameters(parameters, 2);
  const auto batch = Rollout(grid, policy, RolloutRows({Unconditional()}, 20000), {1, RngPurpose::kRollout, 0});
  ASSERT_TRUE(batch.ok()) << Message(batch.status());
  ASSERT_TRUE(batch->outcomes_BT.defined() && batch->Check().ok());
  const at::Tensor found = at::bincount(grid.ObjectIndex(FinalStates(grid, *batch)), {}, 16).to(at::kDouble) / 20000;
  const at::Tensor exact = ExactLogTerminating(grid, policy, Unconditional()).exp();
  // Expected total variation of 20,000 draws over 16 cells is below 1/2 sqrt(16 / 20,000) = 0.014.
  EXPECT_LT((found - exact).abs().sum().item<double>() / 2, 0.02);
  // The hypergrid without wind is another world.
  const at::Tensor calm = ExactLogTerminating(Hypergrid({.side = 4}), policy, Unconditional()).exp();
  EXPECT_GT((calm - exact).abs().sum().item<double>() / 2, 0.05);
}

}  // namespace
}  // namespace gfn
