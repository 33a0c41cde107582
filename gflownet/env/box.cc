#include "gflownet/env/box.h"

#include "gflownet/base/text_util.h"
#include "gflownet/env/counting.h"
#include "gflownet/env/make_world.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

constexpr int64_t kMaxMidpoints = int64_t{1} << 22;

at::Tensor Full(const State& state, int64_t dimensions, double value) {
  return at::full({state.batch_size(), dimensions}, value, at::kDouble);
}

}  // namespace

Box::Box(const BoxConfig& config) : config_(config) {
  spec_.name = config.torus ? "torus" : "box";
  spec_.action = EnvironmentSpec::Action::kContinuous;
  spec_.action_width = config.dimensions;
  spec_.max_steps = config.num_steps;
}

State Box::At(const at::Tensor& position_BD, int64_t moves) const {
  const int64_t rows = position_BD.size(0);
  State state(at::full({rows}, moves == config_.num_steps, at::kBool));
  return state.Set("position", position_BD).Set("moves", at::full({rows}, moves, at::kLong));
}

State Box::Initial(const std::vector<ConditionId>& conditions_B) const {
  return At(at::zeros({static_cast<int64_t>(conditions_B.size()), config_.dimensions}, at::kDouble), 0);
}

State Box::Step(const State& state, const at::Tensor& actions_BD, const at::Tensor&) const {
  const at::Tensor& stays_B = state.done_B();
  State next = state;
  next.Set("position", at::where(stays_B.unsqueeze(1), Position(state), actions_BD.to(at::kDouble)));
  next.Set("moves", Moves(state) + stays_B.logical_not());
  return next.SetDone(Moves(next).eq(config_.num_steps));
}

State Box::Undo(const State& state, const at::Tensor& backward_actions_BD) const {
  State previous = state;
  previous.Set("moves", (Moves(state) - 1).clamp_min(0));
  previous.Set("position", backward_actions_BD.masked_fill(IsInitial(previous).unsqueeze(1), 0));
  return previous.SetDone(at::zeros_like(state.done_B()));
}

at::Tensor Box::BackwardAction(const State& state, const at::Tensor&, const at::Tensor&) const { return Position(state); }

Support Box::ForwardSupport(const State& state) const {
  Support support;
  support.low_BD = Full(state, config_.dimensions, 0);
  support.high_BD = Full(state, config_.dimensions, 1);
  support.done_B = state.done_B();
  return support;
}

Support Box::BackwardSupport(const State& state) const {
  Support support;
  support.low_BD = Full(state, config_.dimensions, 0);
  // Before the first move there is the origin alone.
  support.high_BD = Full(state, config_.dimensions, 1).masked_fill(Moves(state).le(1).unsqueeze(1), 0);
  support.done_B = IsInitial(state);
  return support;
}

at::Tensor Box::IsInitial(const State& state) const { return Moves(state).eq(0); }

std::string Box::Format(const State& state, int64_t row) const {
  std::vector<std::string> parts;
  for (int64_t i = 0; i < config_.dimensions; ++i) parts.push_back(FormatShort(Position(state)[row][i].item<double>()));
  std::string text = "(";
  return text += Join(parts, ", ") + ") after " + std::to_string(Moves(state)[row].item<int64_t>()) + " moves";
}

std::string Box::SupportDigest() const {
  return spec_.name + " dimensions=" + std::to_string(config_.dimensions) + " steps=" + std::to_string(config_.num_steps);
}

at::Tensor Box::Features(const State& state) const {
  const at::Tensor moves = at::one_hot(Moves(state), config_.num_steps + 1).to(at::kDouble);
  const at::Tensor& x = Position(state);
  if (!config_.torus) return at::cat({x, moves}, 1).to(at::kFloat);
  return at::cat({(2 * M_PI * x).cos(), (2 * M_PI * x).sin(), moves}, 1).to(at::kFloat);
}

BoxReward::BoxReward(const Box& world, const BoxRewardConfig& config)
    : StateReward(world), box_(world.config()), config_(config) {
  const RngKey key{static_cast<uint64_t>(config.seed), RngPurpose::kData, 0};
  // A box keeps its bumps away from the walls.
  const at::Tensor draws_MD = UniformTensor(key, {config.num_modes, box_.dimensions}, at::kDouble);
  centres_MD_ = box_.torus ? draws_MD : 0.2 + 0.6 * draws_MD;
}

at::Tensor BoxReward::LogRewardOf(const State& objects) const {
  at::Tensor difference_BMD = Box::Position(objects).unsqueeze(1) - centres_MD_.unsqueeze(0);
  if (box_.torus) difference_BMD = difference_BMD - difference_BMD.round();
  const at::Tensor bumps_BM = (difference_BMD.square().sum(2) / (-2 * config_.width * config_.width)).exp();
  return (bumps_BM.sum(1) + config_.background).log();
}

std::string BoxReward::Digest() const {
  return "box modes=" + std::to_string(config_.num_modes) + " width=" + FormatReal(config_.width) +
         " background=" + FormatReal(config_.background) + " seed=" + std::to_string(config_.seed);
}

StatusOr<at::Tensor> Midpoints(int64_t dimensions, int64_t points_per_dimension) {
  const MixedRadix cells(std::vector<int64_t>(dimensions, points_per_dimension));
  if (points_per_dimension < 1 || cells.Count() > kMaxMidpoints) {
    return InvalidArgument("box: a quadrature of " + std::to_string(points_per_dimension) + " points in each of " +
                           std::to_string(dimensions) + " dimensions; at least 1 and at most " + std::to_string(kMaxMidpoints) +
                           " in all are possible");
  }
  return (cells.Digits(at::arange(cells.Count(), at::kLong)).to(at::kDouble) + 0.5) / static_cast<double>(points_per_dimension);
}

StatusOr<double> BoxLogZ(const Box& world, const StateReward& reward, int64_t points_per_dimension) {
  ASSIGN_OR_RETURN(const at::Tensor points_GD, Midpoints(world.config().dimensions, points_per_dimension));
  const at::Tensor log_reward_G = reward.LogRewardOf(world.At(points_GD, world.config().num_steps));
  return log_reward_G.logsumexp(0).item<double>() - std::log(static_cast<double>(points_GD.size(0)));
}

StatusOr<RewardedWorld> CreateWorld(const BoxConfig& config) {
  ASSIGN_OR_RETURN(RewardedWorld world, (BuildWorld<Box, BoxReward>(config)));
  world.wraps = config.torus;
  return world;
}

}  // namespace gfn
