#include "tasks/world/trade_off_world.h"

#include <cmath>
#include <numbers>

#include "gflownet/base/text_util.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/estimate/rooted_world.h"
#include "tasks/world/world.h"

namespace gfn {
namespace {

// log R_i, float64 [B, M]: squared distances from M points on a circle about the middle of the grid.
at::Tensor LogBumps(const TradeOffWorld& config, const at::Tensor& position_BD) {
  const double middle = static_cast<double>(config.side - 1) / 2, radius = 0.7 * middle,
               sigma = config.width * static_cast<double>(config.side);
  std::vector<at::Tensor> columns;
  for (int64_t i = 0; i < config.num_objectives; ++i) {
    const double angle = 2 * std::numbers::pi * (static_cast<double>(i) + 0.25) / static_cast<double>(config.num_objectives);
    const at::Tensor row_B = position_BD.select(1, 0).to(at::kDouble) - (middle + radius * std::cos(angle));
    const at::Tensor column_B = position_BD.select(1, 1).to(at::kDouble) - (middle + radius * std::sin(angle));
    columns.push_back((row_B.square() + column_B.square()) / (-2 * sigma * sigma));
  }
  return at::stack(columns, 1);
}

// One row a condition.
at::Tensor WeightsOf(const std::map<ConditionId, Point>& preferences, const std::vector<ConditionId>& conditions) {
  std::vector<at::Tensor> rows;
  for (const ConditionId id : conditions) rows.push_back(at::tensor(preferences.at(id), at::kFloat));
  return at::stack(rows);
}

}  // namespace

StatusOr<std::unique_ptr<World>> MakeWorld(const TradeOffWorld& config) {
  auto world = std::make_unique<World>();
  const auto grid = std::make_shared<Hypergrid>(HypergridConfig{.dimensions = 2, .side = config.side});
  world->refers_to = grid;
  ASSIGN_OR_RETURN(const auto preferences,
                   InsertPreferences(SimplexGrid(config.num_objectives, config.divisions), world->conditions));
  std::map<ConditionId, int64_t> roots;
  for (const auto& [id, preference] : preferences) roots[id] = 0;
  ASSIGN_OR_RETURN(std::unique_ptr<RootedWorld> rooted, RootedWorld::Create(*grid, Unconditional(), roots));
  const RootedWorld* rules = rooted.get();
  world->objectives = [config, rules](const State& objects) {
    return LogBumps(config, Hypergrid::Position(rules->InWorld(objects))).exp();
  };
  world->reward = std::make_unique<PreferenceReward>(
      *rules, [objectives = world->objectives](const State& objects) { return objectives(objects).log(); }, preferences,
      config.scalarisation, config.sharpness,
      "bumps on a circle: width " + FormatReal(config.width) + ", " + std::string(EnumName(config.scalarisation)) +
          ", sharpness " + FormatReal(config.sharpness));

  // The network reads the cell and the preference.
  const at::Tensor nodes_N = at::arange(grid->NumStates(), at::kLong), objects_X = at::arange(grid->NumObjects(), at::kLong);
  const at::Tensor cell_of_node = at::cat({grid->Features(grid->StatesAt(nodes_N, Unconditional())),
                                           grid->Features(grid->ObjectsAt(objects_X, Unconditional()))})
                                      .to(at::kFloat);
  world->features = StateFeatures([cell_of_node, preferences](const State& state) {
    at::Tensor weight_BM = at::zeros({state.batch_size(), static_cast<int64_t>(preferences.begin()->second.size())}, at::kFloat);
    for (const auto& [id, preference] : preferences) {
      const at::Tensor rows = state.Get("condition").eq(static_cast<int64_t>(id.value)).nonzero().squeeze(1);
      if (rows.numel() > 0) weight_BM.index_copy_(0, rows, at::tensor(preference, at::kFloat).expand({rows.numel(), -1}));
    }
    return at::cat({cell_of_node.index_select(0, RootedWorld::Node(state)), weight_BM}, 1);
  });
  world->num_features = grid->NumFeatures() + config.num_objectives;
  world->condition_features = [preferences](const std::vector<ConditionId>& conditions) {
    return WeightsOf(preferences, conditions);
  };
  world->num_condition_features = config.num_objectives;

  const at::Tensor all = LogBumps(config, Hypergrid::Position(grid->ObjectsAt(objects_X, Unconditional()))).exp();
  world->true_front = ParetoFront(ToPoints(all));
  world->picture_shape = {config.side, config.side};
  world->enumerable = rules;
  world->facts = {{"cells", std::to_string(grid->NumObjects())},
                  {"objectives, preferences", std::to_string(config.num_objectives) + ", " + std::to_string(preferences.size())},
                  {"objects on the front", std::to_string(world->true_front.size())}};
  world->environment = std::move(rooted);
  return world;
}

}  // namespace gfn
