// What was done, and what a policy says of it, kept apart: the same batch can be replayed, stored, rewarded and scored by any
// policy, and nobody has to know who sampled it.
// Shapes: B rows, T actions (of the longest row), G groups (distinct conditions of a batch).
//
// A row makes L = lengths_B[b] actions a_0 .. a_{L-1}; s_k is the state after k of them, so a_k is taken in s_k. The last action
// is the one that finishes the object (a stop action where the environment has any). Entries with k >= L are padding: 0.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gflownet/base/enum_table.h"
#include "gflownet/base/status.h"
#include "gflownet/core/condition.h"

namespace gfn {

// A batch lives on the CPU, whatever device a policy computes on; scores live where the policy put them.
struct TrajectoryBatch {
  std::vector<ConditionId> condition_ids;  // [B]
  at::Tensor actions_BT;                   // int64 [B, T], or float [B, T, D]
  at::Tensor lengths_B;                    // int64 [B], 1 .. T
  at::Tensor backward_actions_BT;          // int64 [B, T]: entry k undoes a_k; undefined for a tree or continuous actions
  at::Tensor outcomes_BT;                  // int64 [B, T]: nature's draws; undefined unless the world is stochastic
  at::Tensor stop_legal_BT;                // bool [B, T]: is a stop legal in s_k; undefined where no action stops

  // Rewards, always untempered and in float64; undefined until EvaluateReward has run.
  at::Tensor log_reward_B;         // [B]
  at::Tensor log_reward_along_BT;  // [B, T]: log R of stopping in s_k with the stop action of this row; 0 where illegal
  std::map<std::string, at::Tensor> reward_terms;  // name -> [B]: the parts of log_reward_B, for people
  at::Tensor weight_B;                             // float [B]: weight of a given object; undefined means 1

  // Calls function(name, tensor, has_steps) for every tensor field, defined or not, reward terms excepted.
  template <class Batch, class Function>
  static void ForEachTensor(Batch& batch, Function function) {
    function("actions", batch.actions_BT, true);
    function("backward_actions", batch.backward_actions_BT, true);
    function("outcomes", batch.outcomes_BT, true);
    function("stop_legal", batch.stop_legal_BT, true);
    function("log_reward_along", batch.log_reward_along_BT, true);
    function("lengths", batch.lengths_B, false);
    function("log_reward", batch.log_reward_B, false);
    function("weight", batch.weight_B, false);
  }

  int64_t size() const { return static_cast<int64_t>(condition_ids.size()); }
  int64_t num_steps() const { return actions_BT.size(1); }
  // bool [B, T]: true where k < L.
  at::Tensor StepMask() const;
  // The rows at those indices (int64 [N]), with T cut to the longest of them.
  TrajectoryBatch Gather(const at::Tensor& rows_N) const;
  TrajectoryBatch Gather(const std::vector<int64_t>& rows) const;
  // Shapes and types agree, lengths are within 1 .. T; the message names the field.
  Status Check() const;
};

// All rows below each other; T is the largest. Optional tensors are kept if every part has them and dropped otherwise.
TrajectoryBatch Concatenate(const std::vector<TrajectoryBatch>& parts);

// What an objective can ask of a policy: one tensor of TrajectoryScores per bit.
enum class Need : uint32_t {
  kLogPf = 1 << 0,
  kLogPb = 1 << 1,
  kLogStop = 1 << 2,
  kLogFlow = 1 << 3,
  kLogZ = 1 << 4,
  kLogInflow = 1 << 5,
  kFingerprint = 1 << 6,
};

GFN_ENUM_TABLE(Need, {Need::kLogPf, "log_pf"}, {Need::kLogPb, "log_pb"}, {Need::kLogStop, "log_stop"},
               {Need::kLogFlow, "log_flow"}, {Need::kLogZ, "log_z"}, {Need::kLogInflow, "log_inflow"},
               {Need::kFingerprint, "fingerprint"})

class Needs {
 public:
  constexpr Needs() = default;
  constexpr Needs(Need need) : bits_(static_cast<uint32_t>(need)) {}  // NOLINT(google-explicit-constructor): a set of one
  constexpr Needs operator|(Needs other) const { return Needs(bits_ | other.bits_); }
  constexpr bool Has(Need need) const { return (bits_ & static_cast<uint32_t>(need)) != 0; }
  constexpr bool Covers(Needs other) const { return (other.bits_ & ~bits_) == 0; }
  constexpr Needs Without(Needs other) const { return Needs(bits_ & ~other.bits_); }
  std::string ToString() const;  // "log_pf, log_stop"

 private:
  constexpr explicit Needs(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = 0;
};
constexpr Needs operator|(Need a, Need b) { return Needs(a) | Needs(b); }

// Differentiable; tensors that were not asked for are undefined, and all others are on one device.
struct TrajectoryScores {
  at::Tensor log_pf_BT;  // log q(a_k | s_k), renormalised over legal actions: 0 where the action was forced, 0 in padding
  // log P_B(s_k | s_{k+1}); undefined for a tree, where it is 0. In a stochastic world log P_B(s_k, a_k | s_{k+1}) less log of
  // nature's P(s_{k+1} | s_k, a_k), so that log_pf - log_pb is the log-ratio of both ways and every balance holds (Pan et al.
  // 2302.09465).
  at::Tensor log_pb_BT;
  at::Tensor log_stop_BT;    // log q(stop | s_k) for the stop action of this row; 0 where stopping is illegal
  at::Tensor log_flow_BT;    // log F(s_k)
  at::Tensor log_inflow_BT;  // log sum of F(s -> s_{k+1}) over the parents s of the state that step k leads to
  at::Tensor log_z_G;        // learned log Z of each group's condition
  // For guards, of policies whose sampling session computes the very same bits: int64, a hash of what the probabilities in s_k
  // were computed from (RolloutSession::Fingerprints); 0 where the action is certain, where nothing is computed, and in padding.
  at::Tensor fingerprint_BT;
  at::Tensor mask_BT;      // bool: k < L
  at::Tensor group_B;      // int64: the group of each row, as GroupRows numbers them
  int64_t num_groups = 0;  // G

  // Calls function(name, tensor) for every tensor field, defined or not.
  template <class Scores, class Function>
  static void ForEachTensor(Scores& scores, Function function) {
    function("log_pf", scores.log_pf_BT);
    function("log_pb", scores.log_pb_BT);
    function("log_stop", scores.log_stop_BT);
    function("log_flow", scores.log_flow_BT);
    function("log_inflow", scores.log_inflow_BT);
    function("log_z", scores.log_z_G);
    function("fingerprint", scores.fingerprint_BT);
    function("mask", scores.mask_BT);
    function("group", scores.group_B);
  }
  // Where they are; log_pf, mask or group is defined.
  at::Device device() const { return mask_BT.device(); }
};

// Groups are the distinct conditions of a batch in order of first appearance.
struct Grouping {
  std::vector<ConditionId> conditions;  // [G]
  std::vector<int64_t> group_of_row;    // [B]
};
Grouping GroupRows(const std::vector<ConditionId>& condition_ids);
// Fills mask_BT, group_B and num_groups, which every policy's Score must, on the device of the other scores.
void SetGroups(const TrajectoryBatch& batch, at::Device device, TrajectoryScores& scores);

}  // namespace gfn
