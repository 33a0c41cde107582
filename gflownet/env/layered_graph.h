// A random graph in layers: from the root to some node of every layer, ending in the last one. Each node has several parents, so
// flows of many ways meet; with num_layers large and width small it is the hardest world of its size for credit assignment.
// Shapes: B batch, W width. An action is the node of the next layer; a backward action the node of the layer before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/world.h"

namespace gfn {

struct LayeredGraphRewardConfig {
  double scale = 1;
  template <class V>
  void Visit(V& v) {
    v("scale", scale, "standard deviation of log R", NonNegative());
  }
};

struct LayeredGraphConfig {
  static constexpr std::string_view kKind = "layered_graph";
  int64_t num_layers = 4;
  int64_t width = 6;
  double density = 0.4;
  int64_t seed = 1;
  LayeredGraphRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("num_layers", num_layers, "actions of a trajectory", Between(1, 256));
    v("width", width, "nodes of each layer; those of the last are the objects", Between(1, 1024));
    v("density", density, "probability of an edge between nodes of neighbouring layers; each node also leads to its own number",
      Between(0, 1));
    v("seed", seed, "which edges and rewards", NonNegative());
    v("reward", reward, "of the nodes of the last layer");
  }
};

class LayeredGraph : public EnumerableEnvironment {
 public:
  explicit LayeredGraph(const LayeredGraphConfig& config);

  const EnvironmentSpec& Spec() const override { return spec_; }
  State Initial(const std::vector<ConditionId>& conditions_B) const override;
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  State Undo(const State& state, const at::Tensor& backward_actions_B) const override;
  using Environment::BackwardAction;
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  Support ForwardSupport(const State& state) const override;
  Support BackwardSupport(const State& state) const override;
  at::Tensor IsInitial(const State& state) const override;
  std::string Format(const State& state, int64_t row) const override;
  std::string SupportDigest() const override;

  // The root is 0, then layer by layer.
  int64_t NumStates() const override { return 1 + (config_.num_layers - 1) * config_.width; }
  int64_t NumObjects() const override { return config_.width; }
  State StatesAt(const at::Tensor& index_B, ConditionId condition) const override;
  State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const override;
  at::Tensor StateIndex(const State& state) const override;
  at::Tensor ObjectIndex(const State& state) const override;

  static const at::Tensor& Layer(const State& state) { return state.Get("layer"); }  // int64 [B]: 0 is the root's
  static const at::Tensor& Node(const State& state) { return state.Get("node"); }    // int64 [B]: within the layer
  // One-hot layer and node, float [B, num_layers + 1 + W].
  at::Tensor Features(const State& state) const;
  int64_t NumFeatures() const { return config_.num_layers + 1 + config_.width; }
  const LayeredGraphConfig& config() const { return config_; }

 private:
  LayeredGraphConfig config_;
  EnvironmentSpec spec_;
  at::Tensor
      edges_LWW_;  // bool: from a node of layer l to one of layer l + 1; the root is node 0 of layer 0 and leads everywhere
};

// log R of each node of the last layer: scale times a standard normal draw.
class LayeredGraphReward : public StateReward {
 public:
  LayeredGraphReward(const LayeredGraph& world, const LayeredGraphRewardConfig& config);
  at::Tensor LogRewardOf(const State& objects) const override;
  std::string Digest() const override;

 private:
  int64_t seed_;
  double scale_;
  at::Tensor log_reward_W_;
};

StatusOr<RewardedWorld> CreateWorld(const LayeredGraphConfig& config);

}  // namespace gfn
