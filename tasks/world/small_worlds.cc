#include "tasks/world/small_worlds.h"

#include "gflownet/base/text_util.h"
#include "gflownet/env/state_graph.h"
#include "tasks/world/world.h"

namespace gfn {
namespace {

constexpr int64_t kMaxQuadratureDimensions = 2, kQuadraturePoints = 256;
// Of the learned density, along a line and along each side of a square: a move takes the square of their number.
constexpr int64_t kCellsOfLine = 512, kCellsOfSide = 40;

// What every world has. Objects are shown as bars.
template <class Config>
StatusOr<std::unique_ptr<World>> FromConfig(const Config& config) {
  ASSIGN_OR_RETURN(RewardedWorld rewarded, CreateWorld(config));
  auto world = std::make_unique<World>();
  RETURN_IF_ERROR(world->conditions.Insert("").status());
  const Status listable =
      rewarded.enumerable() != nullptr ? CheckListable(*rewarded.enumerable()) : Unimplemented("its objects are points");
  if (listable.ok()) {
    world->enumerable = rewarded.enumerable();
    world->facts = {{"states", std::to_string(world->enumerable->NumStates())},
                    {"objects", std::to_string(world->enumerable->NumObjects())}};
  } else {
    world->not_enumerable = Message(listable);
  }
  world->features = std::move(rewarded.features);
  world->num_features = rewarded.num_features;
  world->wraps = rewarded.wraps;
  world->reward = std::move(rewarded.reward);
  world->environment = std::move(rewarded.environment);
  return world;
}

}  // namespace

StatusOr<std::unique_ptr<World>> MakeWorld(const BayesNetConfig& config) { return FromConfig(config); }
StatusOr<std::unique_ptr<World>> MakeWorld(const LayeredGraphConfig& config) { return FromConfig(config); }
StatusOr<std::unique_ptr<World>> MakeWorld(const PhylogenyConfig& config) { return FromConfig(config); }
StatusOr<std::unique_ptr<World>> MakeWorld(const PrefixTreeConfig& config) { return FromConfig(config); }
StatusOr<std::unique_ptr<World>> MakeWorld(const SubsetConfig& config) { return FromConfig(config); }

StatusOr<std::unique_ptr<World>> MakeWorld(const WindyGridConfig& config) {
  ASSIGN_OR_RETURN(auto world, FromConfig(config));
  if (config.dimensions == 2) world->picture_shape = {config.side, config.side};
  return world;
}

StatusOr<std::unique_ptr<World>> MakeWorld(const BoxConfig& config) {
  ASSIGN_OR_RETURN(auto world, FromConfig(config));
  if (config.dimensions > kMaxQuadratureDimensions) return world;
  const auto* box = dynamic_cast<const Box*>(world->environment.get());
  const auto* reward = dynamic_cast<const BoxReward*>(world->reward.get());
  ASSIGN_OR_RETURN(const double log_z, BoxLogZ(*box, *reward, kQuadraturePoints));
  world->facts.emplace_back("log Z by quadrature", FormatShort(log_z));
  Quadrature cells;
  ASSIGN_OR_RETURN(cells.points_GD, Midpoints(config.dimensions, config.dimensions == 1 ? kCellsOfLine : kCellsOfSide));
  cells.states_at = [box](const at::Tensor& points_GD, int64_t moves) { return box->At(points_GD, moves); };
  cells.log_density_G = reward->LogRewardOf(cells.states_at(cells.points_GD, config.num_steps));
  world->quadrature = std::move(cells);
  if (config.dimensions == 2) world->picture_shape = {kCellsOfSide, kCellsOfSide};
  return world;
}

StatusOr<std::unique_ptr<World>> MakeWorld(const IsingConfig& config) {
  ASSIGN_OR_RETURN(auto world, FromConfig(config));
  const auto log_z = IsingLogZ(config);
  if (log_z.ok()) world->facts.emplace_back("log Z", FormatShort(*log_z));
  return world;
}

StatusOr<std::unique_ptr<World>> MakeWorld(const BitSequenceConfig& config) {
  ASSIGN_OR_RETURN(auto world, FromConfig(config));
  // A mode is found by a sequence that is closer to it than modes are to each other.
  const auto* reward = dynamic_cast<const BitSequenceReward*>(world->reward.get());
  world->num_modes = reward->modes().size(0);
  world->mode_of = [reward](const State& objects) {
    const auto [distance_B, mode_B] = reward->Distances(objects).min(1);
    return at::where(distance_B.le(1), mode_B, -1);
  };
  return world;
}

}  // namespace gfn
