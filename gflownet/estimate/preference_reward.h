// One sampler for every trade-off between several rewards (Jain et al. 2210.12765): the condition is a preference w over the
// rewards, and the sampler is trained on their combination. Conditions draw objects along the whole front.
// Shapes: B rows, M objectives.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/base/enum_table.h"
#include "gflownet/core/reward.h"
#include "gflownet/estimate/pareto.h"

namespace gfn {

enum class Scalarisation { kLogLinear, kLinear, kChebyshev };
GFN_ENUM_TABLE(Scalarisation,
               {Scalarisation::kLogLinear, "log_linear", "prod R_i^w_i: reaches the convex part of the front in log R"},
               {Scalarisation::kLinear, "linear", "sum w_i R_i: reaches its convex part in R"},
               {Scalarisation::kChebyshev, "chebyshev", "min over i of R_i / w_i: reaches every point of the front"})

// log R_w(x) = sharpness * log of the combination. States must carry their condition's id as "condition" (RootedWorld's do).
class PreferenceReward : public StateReward {
 public:
  // log R_i of finished states, float64 [B, M].
  using ObjectiveFunction = std::function<at::Tensor(const State& objects)>;
  PreferenceReward(const Environment& environment, ObjectiveFunction log_rewards, std::map<ConditionId, Point> preferences,
                   Scalarisation scalarisation, double sharpness, std::string digest)
      : StateReward(environment),
        log_rewards_(std::move(log_rewards)),
        preferences_(std::move(preferences)),
        scalarisation_(scalarisation),
        sharpness_(sharpness),
        digest_(std::move(digest)) {}

  at::Tensor LogRewardOf(const State& objects) const override;
  std::string Digest() const override { return digest_; }
  at::Tensor LogRewards(const State& objects) const { return log_rewards_(objects); }

 private:
  ObjectiveFunction log_rewards_;
  std::map<ConditionId, Point> preferences_;
  Scalarisation scalarisation_;
  double sharpness_;
  std::string digest_;  // of the rewards, preferences and settings
};

// log of the combination under one preference: [B, M] and [M] -> [B]. An objective of weight 0 plays no part.
at::Tensor Scalarise(const at::Tensor& log_rewards_BM, const Point& preference, Scalarisation scalarisation);

// Conditions for preferences: the same content always has the same id.
StatusOr<std::map<ConditionId, Point>> InsertPreferences(const std::vector<Point>& preferences, ConditionTable& conditions);

}  // namespace gfn
