// A world ready to train on: its rules, its reward, and what a policy, the metrics and a report want to know of it.
// Shapes: B rows, X objects, F features, G cells or conditions, D coordinates, M rewards.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/core/condition.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/log_z_network.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/state_policies.h"
#include "gflownet/estimate/pareto.h"
#include "tasks/task/learner.h"

namespace gfn {

// A continuous world as cells of equal size, by their midpoints: sums over them divided by G are integrals.
struct Quadrature {
  at::Tensor points_GD;      // float64
  at::Tensor log_density_G;  // log R there, float64
  // The states of points after `moves` moves.
  std::function<State(const at::Tensor& points, int64_t moves)> states_at;
};

// A network of a world's own, which takes the place of task.policy's.
struct WorldNetwork {
  std::function<std::unique_ptr<StatePolicy>(ParameterSet&, uint64_t seed)> make;
  double num_parameters = 0;
};

struct World {
  std::shared_ptr<const void> refers_to;  // what the environment and the reward refer to, or null
  std::unique_ptr<Environment> environment;
  std::unique_ptr<Learner> learner;      // what makes the reward and is learned with the sampler, or null
  std::unique_ptr<Reward> plain_reward;  // what the reward is a function of, or null
  std::unique_ptr<Reward> reward;
  ConditionTable conditions;                       // at least one
  std::vector<ConditionId> training_conditions{};  // those to train on; empty: all
  int64_t num_measured = 0;  // the first so many are measured one by one where nobody asks for another number; 0: all
  // What an MLP reads of a state.
  StateFeatures features;
  int64_t num_features = 0;
  std::optional<WorldNetwork> network{};
  bool wraps = false;  // continuous worlds: a torus, not a box
  // What a network for log Z reads of conditions, float [G, F]; empty: conditions are names.
  ConditionFeatures condition_features{};
  int64_t num_condition_features = 0;

  // The same world as one that can be listed, or null and the reason ("2^120 objects").
  const EnumerableEnvironment* enumerable = nullptr;
  std::string not_enumerable{};
  std::optional<Quadrature> quadrature{};  // of a continuous world with few coordinates

  // The mode of each finished object, int64 [B], -1 for none, and how many there are; empty: modes are not known.
  std::function<at::Tensor(const State&)> mode_of{};
  int64_t num_modes = 0;
  // Worlds with several rewards: all of them of finished objects, float64 [B, M], and the front of all objects; else empty.
  std::function<at::Tensor(const State&)> objectives{};
  std::vector<Point> true_front{};
  // Objects as the cells of a picture, row-major; {}: they are shown as bars.
  std::vector<int64_t> picture_shape{};
  // Whether the world keeps its contract (env/conformance.h), asked once before it is used; empty: tests of this project have
  // asked.
  std::function<Status()> contract{};
  // What the trained parameters belong to besides the configuration: digests of files that make the target.
  std::map<std::string, std::string> identity{};
  // What makes the target where it is data, as a file that the world reads back: written into the run folder with the sampler.
  struct DataFile {
    std::string name;  // "data.csv"
    std::function<StatusOr<std::string>()> text;
  };
  std::optional<DataFile> data{};
  // (name, value) for `gfn describe` and the report.
  std::vector<std::pair<std::string, std::string>> facts{};
};

}  // namespace gfn
