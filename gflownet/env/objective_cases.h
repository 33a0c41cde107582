// For tests: every objective with settings under which it trains a tiny world, and energies where one is asked for.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "gflownet/core/objective_config.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"
#include "gflownet/env/training_fixture.h"

namespace gfn {

enum class Data { kEverything, kOnPolicy, kGiven };  // all trajectories at each step; rollouts; given objects weighted by R

struct ObjectiveCase {
  std::string name;
  ObjectiveConfig objective;
  Data data = Data::kEverything;
  BackwardPart backward = BackwardPart::kUniform;
  double learning_rate = 0.2;
  int64_t updates_per_batch = 1;
  bool has_noise = false;  // at the optimum single trajectories still have a gradient: the rate must fall
};
inline void PrintTo(const ObjectiveCase& choice, std::ostream* out) { *out << choice.name; }

// Every objective, tried on every world.
inline std::vector<ObjectiveCase> ObjectiveCases() {
  constexpr auto kOnPolicy = Data::kOnPolicy;
  constexpr auto kUniform = BackwardPart::kUniform;
  return {{"modified_subtb", ModifiedSubTbConfig{}},
          {"modified_subtb_root_lambda", ModifiedSubTbConfig{.lambda = 0.9, .root = true}},
          {"modified_subtb_within_trajectories", ModifiedSubTbConfig{.paper_compat = true}},
          {"modified_db", ModifiedDbConfig{}},
          {"tb", TbConfig{}},
          {"tb_learned_backward", TbConfig{}, Data::kEverything, BackwardPart::kLearned},
          {"vargrad", VarGradConfig{}},
          {"db", DbConfig{}},
          {"forward_looking_db", DbConfig{.forward_looking = true}},
          {"subtb_geometric", SubTbConfig{}},
          {"subtb_uniform", SubTbConfig{.lambda = 1}},
          {"forward_looking_subtb", SubTbConfig{.forward_looking = true}},
          {"fm", FlowMatchingConfig{}, Data::kEverything, BackwardPart::kEdgeFlows},
          {"maximum_likelihood", MaximumLikelihoodConfig{}, Data::kGiven, kUniform, 0.2, 1, true},
          {"maximum_likelihood_importance", MaximumLikelihoodConfig{.importance = true}, kOnPolicy, kUniform, 0.2, 1, true},
          {"reinforce", ReinforceConfig{}, kOnPolicy, kUniform, 0.1},
          {"ppo", PpoConfig{}, kOnPolicy, kUniform, 0.05, 3},
          {"grpo", GrpoConfig{.normalise = false}, kOnPolicy, kUniform, 0.05, 3},
          {"dpg", DpgConfig{}, kOnPolicy, kUniform, 0.2, 1, true},
          {"soft_q", SoftQConfig{}},
          {"path_consistency", PathConsistencyConfig{}}};
}

// A reward of a world without stop actions with energies that say nothing in particular: the optimum does not depend on them.
class WithEnergies : public Reward, public EnergyReward {
 public:
  using Energy = std::function<at::Tensor(const State&)>;  // float64 [B]
  WithEnergies(const Environment& environment, const Reward& reward, Energy energy)
      : environment_(environment), reward_(reward), energy_(std::move(energy)) {}
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override { return reward_.LogReward(batch); }
  StatusOr<at::Tensor> LogRewardOfStates(const TrajectoryBatch& batch) const override {
    const std::vector<State> states = Unroll(environment_, batch);
    std::vector<at::Tensor> columns;
    for (int64_t k = 0; k < batch.num_steps(); ++k) columns.push_back(energy_(states[k]));
    return at::stack(columns, 1);
  }
  std::string Digest() const override { return "energies of " + reward_.Digest(); }

 private:
  const Environment& environment_;
  const Reward& reward_;
  Energy energy_;
};

}  // namespace gfn
