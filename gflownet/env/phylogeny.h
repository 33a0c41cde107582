// Phylogenetic trees (Zhou et al. 2310.08774): the species are the first trees of a forest, every action joins two trees under a
// new root, the last one leaves one tree. The reward is that of parsimony: few mutations. A DAG, since independent joins commute.
// Shapes: B batch, n species, C = n - 1 clades. A tree goes by its lowest species: an action is a pair i < j of these, numbered
// row by row; backward action i takes the root off the tree of i.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/alignment.h"
#include "gflownet/env/listed.h"
#include "gflownet/env/world.h"

namespace gfn {

struct PhylogenyRewardConfig {
  std::string alignment = "";
  int64_t num_sites = 20;
  double mutation = 0.2;
  double beta = 0.5;
  int64_t seed = 1;
  template <class V>
  void Visit(V& v) {
    v("alignment", alignment, "FASTA file of aligned nucleotides, a sequence a species; empty: simulated");
    v("num_sites", num_sites, "nucleotides of each species", Between(1, 4096));
    v("mutation", mutation, "probability that a site changes along a branch of the random tree that the species come from",
      Between(0, 1));
    v("beta", beta, "log R = -beta * number of mutations that the tree needs", NonNegative());
    v("seed", seed, "which species", NonNegative());
  }
};

struct PhylogenyConfig {
  static constexpr std::string_view kKind = "phylogeny";
  int64_t num_species = 5;
  PhylogenyRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("num_species", num_species, "leaves of the tree", Between(2, 48));
    v("reward", reward, "species and the cost of mutations");
  }
};

class Phylogeny : public ListedEnvironment {
 public:
  explicit Phylogeny(const PhylogenyConfig& config);

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
  // Forests of k rooted binary trees over n leaves: (2n-k-1 choose k-1) (2n-2k-1)!!.
  int64_t NumStates() const override;
  int64_t NumObjects() const override;

  // The species of every joined root as bits, ascending, 0 where nothing is joined yet: int64 [B, C].
  static const at::Tensor& Clades(const State& state) { return state.Get("clades"); }
  // Which species share a tree, and how often they share a clade: float [B, n * n].
  at::Tensor Features(const State& state) const;
  int64_t NumFeatures() const { return num_species_ * num_species_; }
  int64_t num_species() const { return num_species_; }

 protected:
  at::Tensor Key(const State& state) const override;

 private:
  // The species of the tree that each species is in, as bits. int64 [B, n]
  at::Tensor Trees(const State& state) const;
  // bool [B, n]: is the species the lowest of its tree.
  at::Tensor IsLowest(const at::Tensor& trees_Bn) const;

  int64_t num_species_;
  EnvironmentSpec spec_;
  at::Tensor first_A_, second_A_;  // int64: the species of each action
};

class PhylogenyReward : public StateReward {
 public:
  // Simulated species, or those that are given, one for each of the world's.
  PhylogenyReward(const Phylogeny& world, const PhylogenyRewardConfig& config);
  PhylogenyReward(const Phylogeny& world, Alignment species, double beta);
  at::Tensor LogRewardOf(const State& objects) const override;
  std::string Digest() const override { return digest_; }
  // Fewest mutations that explain the species on each tree (Fitch 1971). int64 [B]
  at::Tensor NumMutations(const State& objects) const;
  const Alignment& species() const { return species_; }

 private:
  int64_t num_species_;
  double beta_;
  std::string digest_;
  Alignment species_;
};

StatusOr<RewardedWorld> CreateWorld(const PhylogenyConfig& config);

}  // namespace gfn
