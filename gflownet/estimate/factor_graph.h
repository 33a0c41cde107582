// Rewards in parts: log R(x) is the sum of named modules, each a log factor of some of the variables of x; a factor graph
// (Kschischang, Frey & Loeliger 2001) whose energies are the negated log factors. Modules may have parameters, so that an energy
// model can be learned from data while a GFlowNet samples from it (energy_training.h). Shapes: B rows, V variables, M pairs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/core/reward.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

class FactorModule {
 public:
  explicit FactorModule(std::string name) : name_(std::move(name)) {}
  virtual ~FactorModule() = default;
  // float [B], differentiable in the parameters; variables are float64 [B, V].
  virtual at::Tensor LogFactor(const at::Tensor& variables_BV) const = 0;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

// sum over the pairs of w_m x_i x_j. Parameter "<name>" float64 [M], group "energy", zero at first.
class PairModule : public FactorModule {
 public:
  PairModule(std::string name, const std::vector<std::pair<int64_t, int64_t>>& pairs, ParameterSet& parameters);
  at::Tensor LogFactor(const at::Tensor& variables_BV) const override;

 private:
  at::Tensor first_M_, second_M_, weights_M_;
};

// sum over the variables of h_i x_i. Parameter "<name>" float64 [V], group "energy", zero at first.
class FieldModule : public FactorModule {
 public:
  FieldModule(std::string name, int64_t num_variables, ParameterSet& parameters);
  at::Tensor LogFactor(const at::Tensor& variables_BV) const override;

 private:
  at::Tensor field_V_;
};

// A given function of some variables, without parameters.
class FunctionModule : public FactorModule {
 public:
  using Function = std::function<at::Tensor(const at::Tensor& variables_BS)>;
  FunctionModule(std::string name, std::vector<int64_t> scope, Function log_factor)
      : FactorModule(std::move(name)), scope_(std::move(scope)), log_factor_(std::move(log_factor)) {}
  at::Tensor LogFactor(const at::Tensor& variables_BV) const override;

 private:
  std::vector<int64_t> scope_;
  Function log_factor_;
};

class FactorGraph {
 public:
  static constexpr char kGroup[] = "energy";

  // The name must be new.
  FactorGraph& Add(std::unique_ptr<FactorModule> module);
  // The sum, float64 [B], with gradient.
  at::Tensor LogScore(const at::Tensor& variables_BV) const;
  const std::vector<std::unique_ptr<FactorModule>>& modules() const { return modules_; }

 private:
  std::vector<std::unique_ptr<FactorModule>> modules_;
};

// float64 [B, V] of finished states.
using VariableFunction = std::function<at::Tensor(const State&)>;

// The graph as a reward, with each module as a term. It reads the parameters as they are: rewards that were stored before a
// change are stale, so a run that learns them does not replay. References must outlive this object.
class FactorGraphReward : public StateReward {
 public:
  FactorGraphReward(const Environment& environment, const FactorGraph& graph, VariableFunction variables)
      : StateReward(environment), graph_(graph), variables_(std::move(variables)) {}
  at::Tensor LogRewardOf(const State& objects) const override;
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override;
  std::string Digest() const override;

  at::Tensor Variables(const State& objects) const { return variables_(objects); }
  const FactorGraph& graph() const { return graph_; }

 private:
  const FactorGraph& graph_;
  VariableFunction variables_;
};

}  // namespace gfn
