#include "gflownet/env/hypergrid.h"

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/env/fast_features.h"
#include "gflownet/env/make_world.h"

namespace gfn {
namespace {

constexpr int64_t kMaxSteps = 65536;

State MakeGridState(at::Tensor position_BD, at::Tensor done_B) {
  return State(std::move(done_B)).Set("position", std::move(position_BD));
}

// 1 at the coordinate that an action moves, 0 everywhere for the stop and for rows that do not move. [B, D]
at::Tensor Move(const at::Tensor& actions_B, const at::Tensor& moves_B, int64_t dimensions) {
  const at::Tensor axes_D = at::arange(dimensions, actions_B.options());
  return axes_D.unsqueeze(0).eq(actions_B.unsqueeze(1)).logical_and(moves_B.unsqueeze(1)).to(at::kLong);
}

// Of every value of a coordinate whether low < |x / (side - 1) - 1/2| < high, the bounds in twentieths: in integers, so that
// rounding does not decide about a cell whose distance from the middle is exactly a bound. bool [side]
at::Tensor Between(int64_t side, int64_t low, int64_t high) {
  const int64_t last = side - 1;
  const at::Tensor tenths_S = 10 * (2 * at::arange(side, at::kLong) - last).abs();  // 20 last |x / last - 1/2|
  return tenths_S.gt(low * last).logical_and(tenths_S.lt(high * last));
}

// Where every coordinate is one of these. bool [B]
at::Tensor AllAmong(const at::Tensor& chosen_S, const State& state) { return chosen_S.take(Hypergrid::Position(state)).all(1); }

}  // namespace

void HypergridConfig::Validate(ConfigErrors& errors) const {
  if (dimensions * (side - 1) > kMaxSteps) {
    errors.Add("side", "is " + std::to_string(side) + " in " + std::to_string(dimensions) +
                           " dimensions: trajectories of more than " + std::to_string(kMaxSteps) + " steps");
  }
}

Hypergrid::Hypergrid(const HypergridConfig& config)
    : config_(config), cells_(std::vector<int64_t>(config.dimensions, config.side)) {
  GFN_CHECK(config.dimensions >= 1 && config.side >= 2);
  spec_.name = "hypergrid";
  spec_.num_actions = config.dimensions + 1;
  spec_.num_backward_actions = config.dimensions + 1;
  spec_.max_steps = config.dimensions * (config.side - 1) + 1;
  spec_.stop_actions = {config.dimensions};
  spec_.stops_everywhere = true;
}

State Hypergrid::Initial(const std::vector<ConditionId>& conditions_B) const {
  const int64_t rows = static_cast<int64_t>(conditions_B.size());
  return MakeGridState(at::zeros({rows, config_.dimensions}, at::kLong), at::zeros({rows}, at::kBool));
}

State Hypergrid::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const at::Tensor moves_B = state.done_B().logical_not();
  return MakeGridState(Position(state) + Move(actions_B, moves_B, config_.dimensions),
                       state.done_B().logical_or(actions_B.eq(config_.dimensions)));
}

State Hypergrid::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  const at::Tensor moves_B = state.done_B().logical_not();
  const at::Tensor back_BD = Move(backward_actions_B, moves_B, config_.dimensions);
  return MakeGridState((Position(state) - back_BD).clamp_min(0),
                       state.done_B().logical_and(backward_actions_B.ne(config_.dimensions)));
}

at::Tensor Hypergrid::BackwardAction(const State&, const at::Tensor& actions_B, const at::Tensor&) const { return actions_B; }

Support Hypergrid::ForwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_actions;
  support.stops_S = at::tensor(spec_.stop_actions, at::kLong);
  const at::Tensor can_move_BD = Position(state).lt(config_.side - 1);
  support.mask_BA = at::cat({can_move_BD, at::ones({state.batch_size(), 1}, at::kBool)}, 1);
  support.done_B = state.done_B();
  return support;
}

Support Hypergrid::BackwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_backward_actions;
  const at::Tensor done_B1 = state.done_B().unsqueeze(1);
  support.mask_BA = at::cat({Position(state).gt(0).logical_and(done_B1.logical_not()), done_B1}, 1);
  support.done_B = IsInitial(state);  // nothing lies before it
  return support;
}

at::Tensor Hypergrid::IsInitial(const State& state) const {
  return Position(state).eq(0).all(1).logical_and(state.done_B().logical_not());
}

at::Tensor Hypergrid::IsBelow(const State& state, const State& root) const { return Position(state).ge(Position(root)).all(1); }

std::string Hypergrid::Format(const State& state, int64_t row) const {
  std::vector<std::string> parts;
  for (int64_t i = 0; i < config_.dimensions; ++i) parts.push_back(std::to_string(Position(state)[row][i].item<int64_t>()));
  std::string text = "(";
  text += Join(parts, ", ");
  text += state.done_B()[row].item<bool>() ? ") stop" : ")";
  return text;
}

std::string Hypergrid::SupportDigest() const {
  return "hypergrid dimensions=" + std::to_string(config_.dimensions) + " side=" + std::to_string(config_.side);
}

State Hypergrid::StatesAt(const at::Tensor& index_B, ConditionId) const {
  return MakeGridState(cells_.Digits(index_B), at::zeros({index_B.size(0)}, at::kBool));
}

State Hypergrid::ObjectsAt(const at::Tensor& index_B, ConditionId condition) const {
  return StatesAt(index_B, condition).SetDone(at::ones({index_B.size(0)}, at::kBool));
}

at::Tensor Hypergrid::StateIndex(const State& state) const { return cells_.Number(Position(state)); }

at::Tensor Hypergrid::Features(const State& state) const { return HypergridFeatures(*this, state, at::kFloat); }

at::Tensor HypergridFeatures(const Hypergrid& grid, const State& state, at::ScalarType dtype) {
  return at::one_hot(Hypergrid::Position(state), grid.config().side).flatten(1).to(dtype);
}

HypergridReward::HypergridReward(const Hypergrid& grid, const HypergridRewardConfig& config)
    : StateReward(grid),
      config_(config),
      outer_S_(Between(grid.config().side, 5, 11)),
      ring_S_(Between(grid.config().side, 6, 8)) {}

at::Tensor HypergridReward::LogRewardOf(const State& objects) const {
  const at::Tensor outer_B = AllAmong(outer_S_, objects).to(at::kDouble), ring_B = InModeRing(objects).to(at::kDouble);
  return (config_.r0 + config_.r1 * outer_B + config_.r2 * ring_B).log();
}

at::Tensor HypergridReward::InModeRing(const State& objects) const { return AllAmong(ring_S_, objects); }

bool HypergridReward::HasModes() const { return config_.r2 > 0 && ring_S_.any().item<bool>(); }

std::string HypergridReward::Digest() const {
  return "hypergrid r0=" + FormatReal(config_.r0) + " r1=" + FormatReal(config_.r1) + " r2=" + FormatReal(config_.r2);
}

StatusOr<RewardedWorld> CreateWorld(const HypergridConfig& config, const HypergridRewardConfig& reward) {
  RETURN_IF_ERROR(CheckConfig(reward, "hypergrid reward"));
  return WithFastFeatures(BuildWorld<Hypergrid, HypergridReward>(config, reward, "hypergrid"));
}

}  // namespace gfn
