// The contract of environments and rewards as one list of questions, and what a world answers wrongly: for `gfn doctor`, for
// training a world of a user's own, and for tests (tests/support/conformance.h). Worlds with their numbering are in
// env/conformance.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/fast_world.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {

struct ConformanceOptions {
  int64_t rollouts = 8;  // of each condition
  uint64_t seed = 1;
  // Of one action's log-probability or of one row's log R; sums over T actions get sqrt(T) times as much.
  Tolerance tolerance{1e-5};
};

// What was found, a line each, at most kMost of them.
class Findings {
 public:
  static constexpr size_t kMost = 12;
  // Notes `what` unless `ok`; returns ok.
  bool Expect(bool ok, const std::string& what);
  // The same of a text that is dear to make.
  bool Expect(bool ok, const std::function<std::string()>& what);
  bool ExpectOk(const Status& status);
  bool ExpectClose(const at::Tensor& found, const at::Tensor& expected, Tolerance tolerance, const std::string& what);
  // What begins every line noted from now on ("step 3: ").
  void SetPlace(std::string place) { place_ = std::move(place); }
  bool empty() const { return lines_.empty(); }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::string place_;
  std::vector<std::string> lines_;
};

// Trajectories of uniformly random legal actions, drawn through the environment alone, complete but without rewards.
StatusOr<TrajectoryBatch> DrawRandomTrajectories(const Environment& environment, const std::vector<ConditionId>& conditions,
                                                 const ConformanceOptions& options = {});

// The Spec is sane; every tensor has its shape and type; initial states are initial and open; some action is legal until done and
// none after; every trajectory ends within max_steps, by a stop action where there are any; outcomes are a distribution; done
// rows stay as they are; Undo(Step(s, a)) = s by a legal backward action; every legal backward action leads to a parent from
// which a legal action leads back; a batch is its rows one by one; the views of Support agree; Format tells different states
// apart; CompleteBatch takes what is legal and refuses what is not; a fast face says the same.
void FindBrokenRules(const Environment& environment, const std::vector<ConditionId>& conditions,
                     const ConformanceOptions& options, Findings& findings);

// Along these trajectories, rows are the states, with the same legal actions, steps and ways back; features are within bounds.
void FindFastDifferences(const Environment& environment, const FastWorld& world, const TrajectoryBatch& batch,
                         Findings& findings);

// Finite; a batch is its rows one by one, in any order, with any padding; the same twice. Of a PrefixReward besides: the last
// entry is LogReward, and each legal entry is the reward of the trajectory that was stopped there.
void FindBrokenReward(const Environment& environment, const Reward& reward, const std::vector<ConditionId>& conditions,
                      const ConformanceOptions& options, Findings& findings);

}  // namespace gfn
