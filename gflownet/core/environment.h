// The immutable rules of a directed acyclic graph over states: where a trajectory begins, which actions are legal, where they
// lead, when the object is finished. Batched, pure, without hidden state, and ignorant of rewards and policies.
// Shapes: B batch, D action width.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/condition.h"
#include "gflownet/core/state.h"
#include "gflownet/core/support.h"

namespace gfn {

// What a world declares about itself; objectives, policies and the trainer are checked against it before step 0.
struct EnvironmentSpec {
  enum class Action { kDiscrete, kContinuous };
  std::string name = "";
  Action action = Action::kDiscrete;
  int64_t num_actions = 0;              // A: discrete actions are 0 .. A-1
  int64_t num_backward_actions = 0;     // A_back; 0 for a tree, where the way back is known
  int64_t action_width = 0;             // D: continuous actions are float [B, D]
  bool is_stochastic = false;           // Step needs nature's outcome
  bool is_tree = false;                 // every state has one parent: log P_B = 0
  int64_t max_steps = 0;                // no trajectory has more actions (the terminating one counts)
  std::vector<int64_t> stop_actions{};  // sorted; actions that finish the object. Empty: the last step finishes it
  bool stops_everywhere = false;        // a stop action is legal in every state that is not done
};

class Environment {
 public:
  virtual ~Environment() = default;

  virtual const EnvironmentSpec& Spec() const = 0;
  // The initial state of each condition; ids the environment does not know are a programmer error.
  virtual State Initial(const std::vector<ConditionId>& conditions_B) const = 0;
  // The state after a legal action; actions are int64 [B] (or float [B, D]). Rows that are done stay as they are, whatever their
  // action says. `outcome_B` is nature's draw, undefined unless the world is stochastic.
  virtual State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const = 0;
  State Step(const State& state, const at::Tensor& actions_B) const { return Step(state, actions_B, at::Tensor()); }

  // The parent that a backward action leads to (int64 [B] below A_back; all zero for a tree). Rows in the initial state stay.
  virtual State Undo(const State& state, const at::Tensor& backward_actions_B) const = 0;
  // The backward action that undoes `actions_B` taken in `state` with nature's `outcome_B`:
  // Undo(Step(s, a, o), BackwardAction(s, a, o)) = s. Zero for a tree.
  virtual at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const;
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B) const {
    return BackwardAction(state, actions_B, at::Tensor());
  }
  // Its inverse, seen from the state that a step led to: the action a for which Step(Undo(s, b), a) = s and BackwardAction of it
  // is b; 0 for initial rows. The default tries every action, worlds with many have a direct answer. Discrete, deterministic
  // worlds.
  virtual at::Tensor ForwardAction(const State& state, const at::Tensor& backward_actions_B) const;

  // Legal forward actions; at least one for every row that is not done, none for one that is.
  virtual Support ForwardSupport(const State& state) const = 0;
  // Legal backward actions over A_back; none in the initial state. A tree has the one action 0, which the default returns.
  virtual Support BackwardSupport(const State& state) const;
  // bool [B]: rows in the initial state.
  virtual at::Tensor IsInitial(const State& state) const = 0;

  // Stochastic worlds: an outcome is one of 0 .. O-1, and this is log P(outcome | state, action) of each in float64, [B, O]; -inf
  // where it cannot happen. A deterministic world has the one outcome 0.
  virtual int64_t NumOutcomes() const { return 1; }
  virtual at::Tensor LogOutcomes(const State& state, const at::Tensor& actions_B) const;
  // Nature's draw for an action, int64 [B], from LogOutcomes; row b draws at (key, streams_B[b], position). Undefined unless the
  // world is stochastic.
  at::Tensor DrawOutcome(const State& state, const at::Tensor& actions_B, const RngKey& key,
                         const std::vector<uint64_t>& streams_B, uint64_t position) const;

  // bool [B]: whether each state is `root` (one row, not done) or can be reached from it, of worlds that have a rule for it;
  // undefined: only a listing could tell. All states are of the root's condition.
  virtual at::Tensor IsBelow(const State& /*state*/, const State& /*root*/) const { return {}; }

  // One line for people, different for different states. The default names every tensor of the state and its values.
  virtual std::string Format(const State& state, int64_t row) const;
  // Everything that decides which objects are legal, as text: a replay buffer of another support is refused.
  virtual std::string SupportDigest() const = 0;
};

// A world small enough to be listed. Decision states are numbered 0 .. NumStates()-1 so that parents come before children
// (state 0 is initial); finished objects are numbered 0 .. NumObjects()-1 on their own. A world whose configuration makes it too
// large says so by its numbers (kTooManyStates when they do not fit); whoever lists states checks them first (env/exact.h).
class EnumerableEnvironment : public Environment {
 public:
  static constexpr int64_t kTooManyStates = INT64_MAX;
  // Why the rules cannot be listed at all, whatever their number of states: a cycle, a state without a way out. Asked before
  // anything is listed (CheckListable).
  virtual Status ListingStatus() const { return OkStatus(); }
  virtual int64_t NumStates() const = 0;
  virtual int64_t NumObjects() const = 0;
  // Whether ObjectsAt and ObjectIndex have to walk all states first; else objects can be listed where states are too many.
  virtual bool ObjectsNeedStates() const { return false; }
  virtual State StatesAt(const at::Tensor& index_B, ConditionId condition) const = 0;   // int64 [B] below NumStates
  virtual State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const = 0;  // int64 [B] below NumObjects
  virtual at::Tensor StateIndex(const State& state) const = 0;   // int64 [B], valid where the row is not done
  virtual at::Tensor ObjectIndex(const State& state) const = 0;  // int64 [B], valid where the row is done
};

}  // namespace gfn
