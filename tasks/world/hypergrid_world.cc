#include "tasks/world/hypergrid_world.h"

#include "gflownet/env/state_graph.h"
#include "tasks/world/world.h"

namespace gfn {

StatusOr<std::unique_ptr<World>> MakeWorld(const HypergridWorld& config) {
  auto world = std::make_unique<World>();
  RETURN_IF_ERROR(world->conditions.Insert("").status());
  auto grid = std::make_unique<Hypergrid>(config.grid);
  const Hypergrid* rules = grid.get();
  auto rewards = std::make_unique<HypergridReward>(*grid, config.reward);
  const HypergridReward* reward = rewards.get();
  world->reward = std::move(rewards);
  const int64_t dimensions = config.grid.dimensions, side = config.grid.side;
  world->features = StateFeatures(*rules);
  world->num_features = dimensions * side;
  if (const Status listable = CheckListable(*rules); listable.ok()) {
    world->enumerable = rules;
  } else {
    world->not_enumerable = Message(listable);
  }
  if (dimensions == 2) world->picture_shape = {side, side};
  // A mode is a corner's ring: one for every choice of low or high along each coordinate.
  if (dimensions < 62 && reward->HasModes()) {
    world->num_modes = int64_t{1} << dimensions;
    world->mode_of = [side, dimensions, reward](const State& objects) {
      const at::Tensor high_BD = (2 * Hypergrid::Position(objects)).gt(side - 1).to(at::kLong);
      const at::Tensor corner_B = (high_BD * at::ones({dimensions}, at::kLong).bitwise_left_shift(at::arange(dimensions))).sum(1);
      return at::where(reward->InModeRing(objects), corner_B, -1);
    };
  }
  world->facts = {{"cells", std::to_string(rules->NumObjects())},
                  {"dimensions x side", std::to_string(dimensions) + " x " + std::to_string(side)}};
  world->environment = std::move(grid);
  return world;
}

}  // namespace gfn
