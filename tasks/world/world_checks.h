// `gfn doctor` of a world: invariants of its rules, its policies, its reward and its training step, measured.
#pragma once

#include <vector>

#include "gflownet/core/objective.h"
#include "gflownet/core/policy.h"
#include "gflownet/tensor/parameter_set.h"
#include "tasks/task/task.h"
#include "tasks/world/world.h"
#include "tasks/world/world_metrics.h"

namespace gfn {

// What is examined, piece by piece, so that a test can put a wrong piece in its place.
struct WorldSampler {
  const Environment* environment = nullptr;
  const Policy* trained = nullptr;  // what a trainer samples from and scores: the measured one, with log Z where it is learned
  const Policy* measured = nullptr;
  const Reward* reward = nullptr;
  const Objective* objective = nullptr;
  double temperature = 1;
  ParameterSet* parameters = nullptr;
};

// The names of the checks, for the planted mistakes of the tests.
namespace world_check {
inline constexpr char kContract[] = "ways in which rules or reward break their contract";
inline constexpr char kUndo[] = "steps whose parent is not found again";
inline constexpr char kWaysBack[] = "legal ways back that no step leads along";
inline constexpr char kSamplerIsScorer[] = "sampler = scorer, log P_F of an action";
inline constexpr char kDrawn[] = "actions drawn otherwise than P_F says (share)";
inline constexpr char kBackward[] = "log P_B = the backward policy, parent by parent";
inline constexpr char kStates[] = "scores of a batch = scores state by state";
inline constexpr char kRowsAlone[] = "scores, rows one by one = together";
inline constexpr char kRewardRows[] = "reward, rows one by one = together";
inline constexpr char kRewardAlong[] = "reward of whole objects = that of the last stop";
inline constexpr char kRewardOfObject[] = "reward by another way to the same object";
inline constexpr char kRewardTruth[] = "reward = that of the listed object";
inline constexpr char kGradient[] = "gradient = finite differences, a direction a tensor";
inline constexpr char kObjective[] = "objective = finite differences in the scores";
inline constexpr char kRight[] = "a sampler that is right has no loss";
inline constexpr char kSum[] = "probabilities of all objects sum to 1";
}  // namespace world_check

// `truth`: of each condition, as FindTruth returns it, or nothing.
StatusOr<std::vector<Check>> CheckWorldSampler(const World& world, const WorldSampler& sampler,
                                               const std::vector<ExactTruth>& truth);

StatusOr<Examination> ExamineWorld(const World& world, const WorldSampler& sampler, const std::vector<ExactTruth>& truth);

}  // namespace gfn
