// Sequences over a small alphabet that grow at the end and may stop at every legal prefix: the shape of text, small enough to
// list. A tree. Several stop symbols may exist, each making an object of its own; some inner symbols may be illegal; stopping is
// legal from min_length inner symbols on and forced at max_length.
// Shapes: B batch, M max_length. Actions 0 .. num_symbols-1 append a symbol, num_symbols + i stops with stop symbol i.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/world.h"

namespace gfn {

struct PrefixTreeRewardConfig {
  int64_t seed = 1;
  double scale = 1;
  template <class V>
  void Visit(V& v) {
    v("seed", seed, "which log R", NonNegative());
    v("scale", scale, "standard deviation of the part of log R that each symbol adds", NonNegative());
  }
};

struct PrefixTreeConfig {
  static constexpr std::string_view kKind = "sequence";
  int64_t num_symbols = 2;
  int64_t num_stops = 1;
  int64_t min_length = 0;
  int64_t max_length = 5;
  std::vector<int64_t> illegal_symbols{};
  PrefixTreeRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("num_symbols", num_symbols, "inner symbols; 2 makes bit sequences", Between(1, 1024));
    v("num_stops", num_stops, "stop symbols, each making its own object", Between(1, 16));
    v("min_length", min_length, "inner symbols before a stop becomes legal", NonNegative());
    v("max_length", max_length, "inner symbols after which a stop is the only legal action", AtLeast(1));
    v("illegal_symbols", illegal_symbols, "inner symbols that are never legal", NonNegative());
    v("reward", reward, "an irregular reward");
  }
  void Validate(ConfigErrors& errors) const;
};

class PrefixTree : public EnumerableEnvironment {
 public:
  explicit PrefixTree(const PrefixTreeConfig& config);

  const EnvironmentSpec& Spec() const override { return spec_; }
  State Initial(const std::vector<ConditionId>& conditions_B) const override;
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  State Undo(const State& state, const at::Tensor& backward_actions_B) const override;
  at::Tensor ForwardAction(const State& state, const at::Tensor& backward_actions_B) const override;
  Support ForwardSupport(const State& state) const override;
  at::Tensor IsInitial(const State& state) const override;
  at::Tensor IsBelow(const State& state, const State& root) const override;
  std::string Format(const State& state, int64_t row) const override;
  std::string SupportDigest() const override;

  // States are all strings of legal symbols up to max_length, shorter ones first; objects are (string, stop) pairs.
  int64_t NumStates() const override { return first_of_length_.back(); }
  int64_t NumObjects() const override { return (NumStates() - first_of_length_[config_.min_length]) * config_.num_stops; }
  State StatesAt(const at::Tensor& index_B, ConditionId condition) const override;
  State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const override;
  at::Tensor StateIndex(const State& state) const override;
  at::Tensor ObjectIndex(const State& state) const override;

  // One-hot symbols and the length: float [B, M * num_symbols + max_length + 1].
  at::Tensor Features(const State& state) const;
  int64_t NumFeatures() const { return config_.max_length * (config_.num_symbols + 1) + 1; }
  const PrefixTreeConfig& config() const { return config_; }

 private:
  PrefixTreeConfig config_;
  EnvironmentSpec spec_;
  std::vector<int64_t> legal_symbols_;
  std::vector<int64_t> first_of_length_;  // [max_length + 2]: number of the first state of each length, then the total
};

// A made-up but irregular log R: sums of draws addressed by (seed, condition, position, symbol, previous symbol) plus one for the
// stop, so that nearby strings differ and no closed form helps. Values along a trajectory come from one pass.
class PrefixTreeReward : public PrefixReward {
 public:
  PrefixTreeReward(const PrefixTree& tree, uint64_t seed, double scale) : tree_(tree), seed_(seed), scale_(scale) {}
  PrefixTreeReward(const PrefixTree& tree, const PrefixTreeRewardConfig& config)
      : PrefixTreeReward(tree, static_cast<uint64_t>(config.seed), config.scale) {}
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override;
  // log R of every object, in the order of ObjectsAt. float64 [NumObjects]
  at::Tensor LogRewardOfObjects(ConditionId condition) const;
  std::string Digest() const override;

 private:
  double Draw(ConditionId condition, int64_t position, int64_t previous, int64_t action) const;

  const PrefixTree& tree_;
  uint64_t seed_;
  double scale_;
};

StatusOr<RewardedWorld> CreateWorld(const PrefixTreeConfig& config);

}  // namespace gfn
