// Structures of Bayesian networks (Deleu et al. 2202.13903): directed acyclic graphs over d variables, built edge by edge; the
// reward is the probability of data under the graph, so the sampler is a posterior over structures. Shapes: B batch, d variables,
// S samples. Action i * d + j adds the edge i -> j, d * d stops; backward actions take out an edge or undo the stop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/listed.h"
#include "gflownet/env/world.h"

namespace gfn {

struct BayesNetRewardConfig {
  std::string data = "";
  int64_t num_samples = 100;
  double edges_per_node = 1;
  double noise = 0.5;
  double alpha_mu = 1;
  int64_t seed = 1;
  template <class V>
  void Visit(V& v) {
    v("data", data,
      "CSV file of observations, a column a variable and a row a sample, names in the first line; empty: simulated");
    v("num_samples", num_samples, "samples of a random linear-Gaussian network", Between(0, 65536));
    v("edges_per_node", edges_per_node, "expected number of edges of that network, per variable", NonNegative());
    v("noise", noise, "standard deviation of each variable given its parents", Positive());
    v("alpha_mu", alpha_mu, "prior observations of the mean", Positive());
    v("seed", seed, "which network and data", NonNegative());
  }
};

struct BayesNetConfig {
  static constexpr std::string_view kKind = "bayes_net";
  int64_t num_nodes = 4;
  BayesNetRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("num_nodes", num_nodes, "variables; the posterior is enumerated for at most 5", Between(1, 12));
    v("reward", reward, "data and prior of the BGe score");
  }
};

class BayesNet : public ListedEnvironment {
 public:
  explicit BayesNet(const BayesNetConfig& config);

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
  std::string Format(const State& state, int64_t row) const override;
  std::string SupportDigest() const override;
  int64_t NumStates() const override;  // 1, 3, 25, 543, 29281, .. labelled acyclic graphs
  int64_t NumObjects() const override { return NumStates(); }

  static const at::Tensor& Edges(const State& state) { return state.Get("edges"); }  // bool [B, d * d], entry i * d + j is i -> j
  at::Tensor Features(const State& state) const;                                     // the edges, float [B, d * d]
  int64_t NumFeatures() const { return num_nodes_ * num_nodes_; }
  int64_t num_nodes() const { return num_nodes_; }

 protected:
  at::Tensor Key(const State& state) const override;

 private:
  int64_t num_nodes_;
  EnvironmentSpec spec_;
};

// Data of a random network: nodes in a random order, edges along it, weights uniform in +-[0.5, 2], Gaussian noise. float64 [S,
// d]
at::Tensor SampleBayesNetData(int64_t num_nodes, const BayesNetRewardConfig& config);

// A table of num_nodes columns, as task.reward.data has it: float64 [S, d]. DataLoss with file and line.
StatusOr<at::Tensor> ReadBayesNetData(const std::string& path, int64_t num_nodes);
// The text of such a file.
std::string WriteBayesNetData(const at::Tensor& data_Sd);

// log p(data | graph) under the BGe score of Geiger & Heckerman (Annals of Statistics 30, 2002), as corrected by Kuipers, Moffa &
// Heckerman (2014): a normal-Wishart prior with mean 0, alpha_w = d + 2 and T = alpha_mu (alpha_w - d - 1) / (alpha_mu + 1) times
// the identity. Graphs that say the same of independences score the same. Uniform over graphs, so this is log R.
class BayesNetReward : public StateReward {
 public:
  BayesNetReward(const BayesNet& world, const BayesNetRewardConfig& config);
  // Any data, float64 [S, d].
  BayesNetReward(const BayesNet& world, const at::Tensor& data_Sd, double alpha_mu);
  at::Tensor LogRewardOf(const State& objects) const override;
  std::string Digest() const override;

 private:
  int64_t num_nodes_;
  std::string digest_;
  at::Tensor local_;  // float64 [d, 2^d]: log p(variable | parents) by the parents' bits; variable i is bit i
};

StatusOr<RewardedWorld> CreateWorld(const BayesNetConfig& config);

}  // namespace gfn
