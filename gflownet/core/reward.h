// Rewards of finished objects, always as untempered log R (nats). Temperature and replay belong to others.
// Shapes: B rows, T steps.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>

#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

// Values are kept in float64 (EvaluateReward); a reward that computes in it rounds nothing on the way.
struct RewardValue {
  at::Tensor log_reward_B;                  // [B]
  std::map<std::string, at::Tensor> terms;  // name -> [B]; they need not add up, they are for people
};

struct RewardValueAlong {
  at::Tensor log_reward_along_BT;           // [B, T]: log R of stopping in s_k with this row's stop action
  std::map<std::string, at::Tensor> terms;  // name -> [B], of the object that was finished
};

// No gradient flows through a reward.
class Reward {
 public:
  virtual ~Reward() = default;
  virtual StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const = 0;
  // log of the sum of R^(1/T) over all objects that can be reached from a state (one row, not done), by a method that lists
  // neither states nor objects; nothing where the reward has none.
  virtual std::optional<double> LogSumBelow(const State& /*state*/, double /*temperature*/) const { return std::nullopt; }
  // Everything that decides the value (model, terms, settings), as text: stored rewards of another digest are dropped.
  virtual std::string Digest() const = 0;
};

// A reward that also knows the value of stopping at every legal prefix of a trajectory, with the same stop action.
class PrefixReward : public Reward {
 public:
  // Entries where batch.stop_legal_BT is false are ignored: any value, NaN included.
  virtual StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const = 0;
  // LogRewardAlong of the batch with the last step as the only legal stop, so that nothing else is computed.
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override;
};

// A reward of the finished state alone, whatever the way that led to it. Where the world has stop actions, the value at every
// prefix follows.
class StateReward : public PrefixReward {
 public:
  explicit StateReward(const Environment& environment) : environment_(environment) {}
  // float [B], for states that are all done.
  virtual at::Tensor LogRewardOf(const State& objects) const = 0;
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override;
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override;

 protected:
  const Environment& environment_;
};

// What a reward adds that also says how good unfinished objects are, for worlds whose last step finishes the object (Pan et al.
// 2302.01687). Any numbers leave the optimum of a forward-looking objective as it is; good ones make it learn sooner.
class EnergyReward {
 public:
  virtual ~EnergyReward() = default;
  // float [B, T]: -E(s_k), the log of the intermediate reward of the state before action k; 0 says nothing. Padding is ignored.
  virtual StatusOr<at::Tensor> LogRewardOfStates(const TrajectoryBatch& batch) const = 0;
};

// A reward has to be a float tensor of that shape; else what was found.
Status CheckRewardShape(const std::string& what, const at::Tensor& found, at::IntArrayRef expected);

// Fills the batch's rewards; `along` asks for those of every prefix too, for which the reward must be a PrefixReward where
// the world has stop actions and an EnergyReward where it has none. A value that is not finite is refused with the term, the
// row's condition and its step.
Status EvaluateReward(const Reward& reward, TrajectoryBatch& batch, bool along = false);

// The tempered rewards of one batch in float64, ready for an objective: log R / T; undefined where not evaluated. Only
// ApplyTemperature makes them.
class Targets {
 public:
  at::Tensor log_reward_B;  // [B]
  at::Tensor
      log_reward_along_BT;  // [B, T]; 0 where stopping is illegal; of an EnergyReward: of every state. Undefined unless asked for
  at::Tensor stop_legal_BT;  // bool [B, T]; undefined unless rewards of every stop were asked for
  at::Tensor weight_B;       // [B]: 1 unless the batch gives weights
  // [B, T], without gradient: log_pf when the rollouts were drawn, for objectives that take several steps on them; undefined: the
  // policy has not changed since.
  at::Tensor sampled_log_pf_BT;

 private:
  Targets() = default;
  friend Targets ApplyTemperature(const TrajectoryBatch& batch, double temperature, at::Device device);
};

// The one place where the reward temperature acts; T > 0. The result is on the device of the scores it meets.
Targets ApplyTemperature(const TrajectoryBatch& batch, double temperature, at::Device device = at::kCPU);

}  // namespace gfn
