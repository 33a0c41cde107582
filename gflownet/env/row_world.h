// A world written one state at a time, in plain C++: the shortest way to a world of one's own, and a fast one, since an MLP takes
// the fast road (core/fast_world.h). A state is a row of words, each -1 (nothing yet) or 0 .. K-1; the tensor face, the numbering
// of all states, what a network reads and the reward follow from the functions that a derived class writes:
//
//   class Stairs : public gfn::RowWorld {                       // climb by one or two steps, leave anywhere: {step, 0 once left}
//    public:
//     Stairs() : RowWorld({.name = "stairs", .num_actions = 3, .num_backward_actions = 3, .max_steps = 11}, 2, 11) {}
//     void InitialRow(int32_t* row) const override { row[0] = 0, row[1] = -1; }
//     bool RowIsDone(const int32_t* row) const override { return row[1] == 0; }
//     bool IsLegal(const int32_t* row, int64_t action) const override { return action == 2 || row[0] + action < 10; }
//     ...
//
// examples/permutations is a whole one. Where rules are wrong CheckWorld (conformance.h) says so, as do `train` and `doctor`.
// Shapes: B batch, W words, K values.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/base/config_reader.h"
#include "gflownet/core/fast_world.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/listed.h"
#include "gflownet/env/world.h"

namespace gfn {

class RowWorld : public ListedEnvironment, public FastWorld {
 public:
  // What a world says of itself (core/environment.h); discrete, deterministic, without conditions.
  RowWorld(EnvironmentSpec spec, int64_t num_words, int64_t num_values);

  // To write: RowIsDone and StepRow (core/fast_world.h), and these. Is the action legal in a row that is not done?
  virtual bool IsLegal(const int32_t* row, int64_t action) const = 0;
  // Takes a legal backward action back, in place; of a tree the one action 0.
  virtual void UndoRow(int32_t* row, int64_t backward_action) const = 0;
  // log R of a row that is done.
  virtual double LogRewardOfRow(const int32_t* row) const = 0;
  // To write besides for a DAG, where a state has several parents: which backward action undoes an action, and which are legal in
  // a row that is not initial.
  int64_t BackwardActionOfRow(const int32_t* row, int64_t action) const override;
  virtual bool IsLegalBack(const int32_t* row, int64_t backward_action) const;
  // May be written too: the default begins with -1 everywhere, asks action by action, and a network reads every word one-hot.
  void InitialRow(int32_t* row) const override;
  void LegalOfRow(const int32_t* row, bool* legal_A) const override;
  void LegalBackOfRow(const int32_t* row, bool* legal_back) const override;
  int64_t NumRowFeatures() const override { return num_words_ * (num_values_ + 1); }
  int64_t MaxActive() const override { return num_words_; }
  int64_t FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const override;
  std::string Format(const State& state, int64_t row) const override;

  // What follows.
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
  std::string SupportDigest() const override { return digest_; }
  int64_t RowWords() const override { return num_words_; }
  State StateOfRows(const int32_t* rows, int64_t num_rows) const override;
  void RowsOfState(const State& state, int32_t* rows) const override;

  // What decides rules and reward, as text; BuildRowWorld gives the configuration.
  void set_digest(std::string digest) { digest_ = std::move(digest); }

 private:
  std::vector<int32_t> Rows(const State& state) const;
  bool IsInitialRow(const int32_t* row) const;
  // function(b, row) of every row.
  template <class Function>
  State Changed(const State& state, Function function) const;

  EnvironmentSpec spec_;
  int64_t num_words_, num_values_;
  std::string digest_;
};

class RowReward : public StateReward {
 public:
  explicit RowReward(const RowWorld& world) : StateReward(world), world_(world) {}
  at::Tensor LogRewardOf(const State& objects) const override;  // float64
  std::string Digest() const override { return world_.SupportDigest(); }

 private:
  const RowWorld& world_;
};

// `world` with its reward and features, named by `digest`.
RewardedWorld WithRowReward(std::unique_ptr<RowWorld> world, std::string digest);

// World(config), whose configuration decides everything.
template <class World, class Config>
StatusOr<RewardedWorld> BuildRowWorld(const Config& config) {
  return WithRowReward(std::make_unique<World>(config), std::string(Config::kKind) + "\n" + WriteConfig(config));
}

}  // namespace gfn
