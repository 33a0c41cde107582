#include "tasks/world/small_worlds.h"

#include <algorithm>

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"
#include "tasks/world/own_world.h"
#include "tasks/world/world.h"

namespace gfn {
namespace {

constexpr int64_t kMaxQuadratureDimensions = 2, kQuadraturePoints = 256;
// Of the learned density, along a line and along each side of a square: a move takes the square of their number.
constexpr int64_t kCellsOfLine = 512, kCellsOfSide = 40;

// Objects are shown as bars.
template <class Config>
StatusOr<std::unique_ptr<World>> FromConfig(const Config& config) {
  ASSIGN_OR_RETURN(RewardedWorld rewarded, CreateWorld(config));
  return ToWorld(std::move(rewarded));
}

// What was trained belongs to the file's content.
Status NameFile(const std::string& key, const std::string& path, World& world) {
  if (path.empty()) return OkStatus();
  ASSIGN_OR_RETURN(const uint64_t digest, FileDigest(path));
  world.identity[key] = DigestToHex(digest);
  world.facts.emplace_back(key, path);
  return OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<World>> MakeWorld(const LayeredGraphConfig& config) { return FromConfig(config); }
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

StatusOr<std::unique_ptr<World>> MakeWorld(const BayesNetConfig& config) {
  ASSIGN_OR_RETURN(auto world, FromConfig(config));
  RETURN_IF_ERROR(NameFile("task.reward.data", config.reward.data, *world));
  world->data = {"data.csv", [config]() -> StatusOr<std::string> {
                   if (config.reward.data.empty()) return WriteBayesNetData(SampleBayesNetData(config.num_nodes, config.reward));
                   ASSIGN_OR_RETURN(const at::Tensor data_Sd, ReadBayesNetData(config.reward.data, config.num_nodes));
                   return WriteBayesNetData(data_Sd);
                 }};
  return world;
}

StatusOr<std::unique_ptr<World>> MakeWorld(const PhylogenyConfig& config) {
  ASSIGN_OR_RETURN(auto world, FromConfig(config));
  RETURN_IF_ERROR(NameFile("task.reward.alignment", config.reward.alignment, *world));
  world->data = {"alignment.fasta", [reward = dynamic_cast<const PhylogenyReward*>(world->reward.get())] {
                   return WriteAlignment(reward->species());
                 }};
  return world;
}

StatusOr<std::unique_ptr<World>> MakeWorld(const StringTableConfig& config) {
  ASSIGN_OR_RETURN(auto world, FromConfig(config));
  RETURN_IF_ERROR(NameFile("task.reward.file", config.reward.file, *world));
  const auto* table = dynamic_cast<const StringTable*>(world->environment.get());
  world->data = {"table.csv", [table] { return table->WriteTable(); }};
  if (config.reward.num_modes == 0) return world;
  // Mode i is the string with the i-th highest reward.
  const at::Tensor log_reward_X = at::tensor(table->log_rewards(), at::kDouble);
  world->num_modes = std::min(config.reward.num_modes, log_reward_X.numel());
  const at::Tensor best_M =
      std::get<1>(log_reward_X.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true)).slice(0, 0, world->num_modes);
  const at::Tensor mode_X =
      at::full({log_reward_X.numel()}, -1, at::kLong).index_copy(0, best_M, at::arange(world->num_modes, at::kLong));
  world->mode_of = [table, mode_X](const State& objects) { return mode_X.index_select(0, table->NumbersOf(objects)); };
  return world;
}

StatusOr<std::unique_ptr<World>> MakeWorld(const IsingConfig& config) {
  ASSIGN_OR_RETURN(auto world, FromConfig(config));
  RETURN_IF_ERROR(NameFile("task.reward.couplings", config.reward.couplings, *world));
  world->data = {"couplings.csv", [reward = dynamic_cast<const IsingReward*>(world->reward.get())] {
                   return WriteIsingEnergy(reward->couplings(), reward->field());
                 }};
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
