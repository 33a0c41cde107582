#include "gflownet/env/phylogeny.h"

#include <gtest/gtest.h>

#include "gflownet/env/state_graph.h"
#include "tests/support/world_conformance.h"

namespace gfn {
namespace {

TEST(Phylogeny, IsAWorld) { CheckWorld(CreateWorld(PhylogenyConfig{.num_species = 4}).value(), "phylogeny"); }

TEST(Phylogeny, ThereAreAsManyTreesAsSchroederCounts) {
  const Phylogeny world({.num_species = 6});
  EXPECT_EQ(world.NumObjects(), 945);  // 9!!
  CheckNumbering(world);
  EXPECT_FALSE(CheckListable(Phylogeny({.num_species = 30})).ok());
}

TEST(Phylogeny, ParsimonyDoesNotSeeTheRoot) {
  const Phylogeny world({.num_species = 4});
  const PhylogenyReward reward(world, {.num_sites = 200, .mutation = 0.3, .beta = 1});
  const State trees = world.ObjectsAt(at::arange(15, at::kLong), Unconditional());
  const at::Tensor mutations = reward.NumMutations(trees);
  // Unrooted trees have three shapes, and parsimony cannot see the root: fifteen rooted trees have at most three values, five
  // each.
  const auto [values, inverse, counts] = at::_unique2(mutations, true, false, true);
  EXPECT_EQ(values.numel(), 3) << mutations;
  EXPECT_TRUE(counts.eq(5).all().item<bool>()) << counts;
}

}  // namespace
}  // namespace gfn
