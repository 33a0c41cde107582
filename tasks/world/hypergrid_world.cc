#include "tasks/world/hypergrid_world.h"

#include "gflownet/env/state_graph.h"
#include "tasks/world/world.h"

namespace gfn {

StatusOr<std::unique_ptr<World>> MakeWorld(const HypergridWorld& config) {
  auto world = std::make_unique<World>();
  RETURN_IF_ERROR(world->conditions.Insert("").status());
  auto grid = std::make_unique<Hypergrid>(config.grid);
  const Hypergrid* rules = grid.get();
  world->reward = std::make_unique<HypergridReward>(*grid, config.reward);
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
  if (dimensions < 62 && config.reward.r2 > 0) {
    world->num_modes = int64_t{1} << dimensions;
    world->mode_of = [side, dimensions](const State& objects) {
      const at::Tensor x_BD = Hypergrid::Position(objects).to(at::kDouble) / static_cast<double>(side - 1) - 0.5;
      const at::Tensor in_ring_B = x_BD.abs().gt(0.3).logical_and(x_BD.abs().lt(0.4)).all(1);
      const at::Tensor corner_B =
          x_BD.gt(0).to(at::kLong).mul(at::ones({dimensions}, at::kLong).cumsum(0).sub(1).exp2().to(at::kLong)).sum(1);
      return at::where(in_ring_B, corner_B, at::full_like(corner_B, -1));
    };
  }
  world->facts = {{"cells", std::to_string(rules->NumObjects())},
                  {"dimensions x side", std::to_string(dimensions) + " x " + std::to_string(side)}};
  world->environment = std::move(grid);
  return world;
}

}  // namespace gfn
