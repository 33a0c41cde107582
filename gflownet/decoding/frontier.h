// Unfinished trajectories that go on side by side and may split: what beam search and particles have in common.
// Shapes: N rows, A actions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gflownet/core/environment.h"
#include "gflownet/core/exploration.h"
#include "gflownet/core/policy.h"
#include "gflownet/decoding/decoding.h"

namespace gfn {

class Frontier {
 public:
  // A row for each condition, at its initial state.
  Frontier(const Environment& environment, const Policy& policy, const std::vector<ConditionId>& conditions);

  int64_t size() const { return state_.batch_size(); }
  // log q of every action under an exploration, -inf where it is illegal: float64 [N, A].
  StatusOr<at::Tensor> LogProbs(const Exploration& exploration);
  // Every row takes its action. True for the rows that are finished by it, which Select then leaves out.
  std::vector<bool> Advance(const std::vector<int64_t>& actions_N);
  // May a stop follow in each row? Never in a world without stop actions.
  std::vector<bool> StopLegal() const;
  // Goes on with these rows; repeated ones split.
  void Select(const std::vector<int64_t>& rows);

  int64_t num_actions() const { return num_actions_; }

 private:
  const Environment& environment_;
  State state_;
  std::unique_ptr<RolloutSession> session_;
  int64_t num_actions_ = 0;
};

}  // namespace gfn
