#include "gflownet/env/windy_grid.h"

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/env/make_world.h"

namespace gfn {
namespace {

// The positions moved along the first axis. [B, D]
at::Tensor Blown(const at::Tensor& position_BD, const at::Tensor& cells_B) {
  at::Tensor moved_BD = position_BD.clone();
  moved_BD.select(1, 0).add_(cells_B);
  return moved_BD;
}

}  // namespace

WindyGrid::WindyGrid(const WindyGridConfig& config)
    : Hypergrid({.dimensions = config.dimensions, .side = config.side}), gust_(config.gust) {
  GFN_CHECK(gust_ > 0 && gust_ < 1);
  spec_.name = "windy_grid";
  spec_.is_stochastic = true;
  spec_.num_backward_actions = 2 * spec_.num_actions - 1;  // the stop has one outcome
}

at::Tensor WindyGrid::LogOutcomes(const State& state, const at::Tensor& actions_B) const {
  const at::Tensor after_B = Position(state).select(1, 0) + actions_B.eq(0);
  const at::Tensor room_B =
      after_B.lt(config().side - 1).logical_and(actions_B.ne(config().dimensions)).logical_and(state.done_B().logical_not());
  const at::Tensor windy_2 = at::tensor(std::vector<double>{std::log1p(-gust_), std::log(gust_)});
  return at::where(room_B.unsqueeze(1), windy_2, at::tensor(std::vector<double>{0, -INFINITY}));
}

State WindyGrid::Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const {
  State next = Hypergrid::Step(state, actions_B, outcome_B);
  const at::Tensor cells_B = outcome_B.masked_fill(next.done_B(), 0);
  return next.Set("position", Blown(Position(next), cells_B));
}

State WindyGrid::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  const State calm = Hypergrid::Undo(state, backward_actions_B.div(2, "floor"));
  const at::Tensor cells_B = backward_actions_B.remainder(2).masked_fill(state.done_B().logical_or(IsInitial(state)), 0);
  return State(calm).Set("position", Blown(Position(calm), -cells_B));
}

at::Tensor WindyGrid::BackwardAction(const State&, const at::Tensor& actions_B, const at::Tensor& outcome_B) const {
  return 2 * actions_B + outcome_B.masked_fill(actions_B.eq(config().dimensions), 0);
}

Support WindyGrid::BackwardSupport(const State& state) const {
  const at::Tensor open_B1 = state.done_B().logical_not().unsqueeze(1);
  // Calm: the coordinate is above 0. With a gust the first coordinate lost one more.
  const at::Tensor calm_BD = Position(state).gt(0).logical_and(open_B1);
  const at::Tensor gust_BD = Blown(Position(state), at::full({state.batch_size()}, -1, at::kLong)).gt(0);
  const at::Tensor others_BD = Position(state).gt(0).logical_and(Position(state).select(1, 0).gt(0).unsqueeze(1));
  const at::Tensor first_D = at::arange(config().dimensions, at::kLong).eq(0);
  const at::Tensor windy_BD = at::where(first_D.unsqueeze(0), gust_BD, others_BD).logical_and(open_B1);
  Support support;
  support.num_actions = spec_.num_backward_actions;
  support.mask_BA = at::cat({at::stack({calm_BD, windy_BD}, 2).flatten(1), state.done_B().unsqueeze(1)}, 1);
  support.done_B = IsInitial(state);
  return support;
}

std::string WindyGrid::SupportDigest() const { return "windy_" + Hypergrid::SupportDigest() + " gust=" + FormatReal(gust_); }

StatusOr<RewardedWorld> CreateWorld(const WindyGridConfig& config) { return BuildWorld<WindyGrid, HypergridReward>(config); }

}  // namespace gfn
