#include "gflownet/env/layered_graph.h"

#include "gflownet/base/text_util.h"
#include "gflownet/env/make_world.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

State MakeNode(at::Tensor layer_B, at::Tensor node_B, int64_t num_layers) {
  State state(layer_B.eq(num_layers));
  return state.Set("layer", std::move(layer_B)).Set("node", std::move(node_B));
}

RngKey Key(int64_t seed) { return {static_cast<uint64_t>(seed), RngPurpose::kData, 0}; }

}  // namespace

LayeredGraph::LayeredGraph(const LayeredGraphConfig& config) : config_(config) {
  const int64_t width = config.width;
  spec_.name = "layered_graph";
  spec_.num_actions = width;
  spec_.num_backward_actions = width;
  spec_.max_steps = config.num_layers;
  const at::Tensor draws = UniformTensor(Key(config.seed), {config.num_layers, width, width}, at::kDouble, /*stream=*/0);
  edges_LWW_ = draws.lt(config.density).logical_or(at::eye(width, at::kBool));
  edges_LWW_[0].fill_(false);
  edges_LWW_[0][0].fill_(true);
}

State LayeredGraph::Initial(const std::vector<ConditionId>& conditions_B) const {
  const at::Tensor zeros_B = at::zeros({static_cast<int64_t>(conditions_B.size())}, at::kLong);
  return MakeNode(zeros_B, zeros_B, config_.num_layers);
}

State LayeredGraph::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  return MakeNode((Layer(state) + 1).clamp_max(config_.num_layers), at::where(state.done_B(), Node(state), actions_B),
                  config_.num_layers);
}

State LayeredGraph::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  const at::Tensor layer_B = (Layer(state) - 1).clamp_min(0);
  return MakeNode(layer_B, at::where(layer_B.eq(0), 0, backward_actions_B), config_.num_layers);
}

at::Tensor LayeredGraph::BackwardAction(const State& state, const at::Tensor&, const at::Tensor&) const { return Node(state); }

Support LayeredGraph::ForwardSupport(const State& state) const {
  Support support;
  support.num_actions = config_.width;
  support.mask_BA = edges_LWW_.index({Layer(state).clamp_max(config_.num_layers - 1), Node(state)});
  support.done_B = state.done_B();
  return support;
}

Support LayeredGraph::BackwardSupport(const State& state) const {
  Support support;
  support.num_actions = config_.width;
  support.mask_BA = edges_LWW_.transpose(1, 2).index({(Layer(state) - 1).clamp_min(0), Node(state)});
  support.done_B = IsInitial(state);
  return support;
}

at::Tensor LayeredGraph::IsInitial(const State& state) const { return Layer(state).eq(0); }

std::string LayeredGraph::Format(const State& state, int64_t row) const {
  return "layer " + std::to_string(Layer(state)[row].item<int64_t>()) + " node " +
         std::to_string(Node(state)[row].item<int64_t>());
}

std::string LayeredGraph::SupportDigest() const {
  return "layered_graph layers=" + std::to_string(config_.num_layers) + " width=" + std::to_string(config_.width) +
         " density=" + FormatReal(config_.density) + " seed=" + std::to_string(config_.seed);
}

State LayeredGraph::StatesAt(const at::Tensor& index_B, ConditionId) const {
  const at::Tensor below_B = index_B - 1;
  return MakeNode(below_B.div(config_.width, "floor") + 1, at::where(index_B.eq(0), 0, below_B.remainder(config_.width)),
                  config_.num_layers);
}

State LayeredGraph::ObjectsAt(const at::Tensor& index_B, ConditionId) const {
  return MakeNode(at::full_like(index_B, config_.num_layers), index_B, config_.num_layers);
}

at::Tensor LayeredGraph::StateIndex(const State& state) const {
  return at::where(Layer(state).eq(0), 0, 1 + (Layer(state) - 1) * config_.width + Node(state));
}

at::Tensor LayeredGraph::ObjectIndex(const State& state) const { return Node(state); }

at::Tensor LayeredGraph::Features(const State& state) const {
  return at::cat({at::one_hot(Layer(state), config_.num_layers + 1), at::one_hot(Node(state), config_.width)}, 1).to(at::kFloat);
}

LayeredGraphReward::LayeredGraphReward(const LayeredGraph& world, const LayeredGraphRewardConfig& config)
    : StateReward(world),
      seed_(world.config().seed),
      scale_(config.scale),
      log_reward_W_(config.scale * NormalTensor(Key(seed_), {world.config().width}, at::kDouble, /*stream=*/1)) {}

at::Tensor LayeredGraphReward::LogRewardOf(const State& objects) const {
  return log_reward_W_.index_select(0, LayeredGraph::Node(objects));
}

std::string LayeredGraphReward::Digest() const {
  return "layered_graph seed=" + std::to_string(seed_) + " scale=" + FormatReal(scale_);
}

StatusOr<RewardedWorld> CreateWorld(const LayeredGraphConfig& config) {
  return BuildWorld<LayeredGraph, LayeredGraphReward>(config);
}

}  // namespace gfn
