// Subsets of a set, built by adding elements in any order: a DAG in which a subset of m elements has m parents. Sizes may be
// free, then a stop action finishes the subset; or fixed, then the last element does. Shapes: B batch, n elements. Actions 0 ..
// n-1 add an element, n stops. Backward actions take out an element, n undoes the stop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/listed.h"
#include "gflownet/env/world.h"

namespace gfn {

struct SubsetRewardConfig {
  int64_t seed = 1;
  double weight_scale = 1;
  double pair_scale = 0.5;
  template <class V>
  void Visit(V& v) {
    v("seed", seed, "which weights", NonNegative());
    v("weight_scale", weight_scale, "standard deviation of the log R that each element adds", NonNegative());
    v("pair_scale", pair_scale, "standard deviation of what each pair of elements adds", NonNegative());
  }
};

struct SubsetConfig {
  static constexpr std::string_view kKind = "subset";
  int64_t num_elements = 8;
  int64_t min_size = 0;
  int64_t max_size = 8;
  SubsetRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("num_elements", num_elements, "size of the set", Between(1, 62));
    v("min_size", min_size, "elements before a stop becomes legal", NonNegative());
    v("max_size", max_size, "elements after which the subset is finished; with min_size the same there is no stop action",
      AtLeast(1));
    v("reward", reward, "weights of elements and of pairs");
  }
  void Validate(ConfigErrors& errors) const;
};

class Subset : public ListedEnvironment {
 public:
  explicit Subset(const SubsetConfig& config);

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
  at::Tensor IsBelow(const State& state, const State& root) const override;
  std::string Format(const State& state, int64_t row) const override;
  std::string SupportDigest() const override;
  int64_t NumStates() const override;
  int64_t NumObjects() const override;

  static const at::Tensor& Members(const State& state) { return state.Get("members"); }  // bool [B, n]
  at::Tensor Features(const State& state) const;                                         // the members, float [B, n]
  int64_t NumFeatures() const { return config_.num_elements; }
  const SubsetConfig& config() const { return config_; }

 protected:
  // The members as bits.
  at::Tensor Key(const State& state) const override;

 private:
  bool HasStop() const { return config_.min_size < config_.max_size; }

  SubsetConfig config_;
  EnvironmentSpec spec_;
};

// log R = sum of the weights of the members and of their pairs.
class SubsetReward : public StateReward {
 public:
  SubsetReward(const Subset& world, const SubsetRewardConfig& config);
  at::Tensor LogRewardOf(const State& objects) const override;
  std::string Digest() const override;

 private:
  SubsetRewardConfig config_;
  at::Tensor weights_n_, pairs_nn_;  // float64; pairs above the diagonal only
};

StatusOr<RewardedWorld> CreateWorld(const SubsetConfig& config);

}  // namespace gfn
