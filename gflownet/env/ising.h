// Spins on a square torus, or any pairwise energy over N spins: a discrete energy model whose partition function is known on
// small lattices. Each action gives one spin its value (Zhang et al. 2202.01361 sample such models with GFlowNets). Shapes: B
// batch, N = side * side spins, row by row. Value 0 is spin -1, value 1 is spin +1.
#pragma once

#include <cstdint>
#include <string>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/assignment.h"
#include "gflownet/env/world.h"

namespace gfn {

struct IsingRewardConfig {
  double beta = 0.4;
  std::string couplings = "";
  double coupling = 1;
  double coupling_spread = 0;
  double field = 0;
  int64_t seed = 1;
  template <class V>
  void Visit(V& v) {
    v("beta", beta, "inverse temperature; the infinite lattice orders at 0.4407");
    v("couplings", couplings,
      "CSV file of the energy: lines i,j,J for a bond between spins i < j, any two, and i,i,h for a field (spins are numbered "
      "from 0, "
      "row by row); empty: the torus with the keys below");
    v("coupling", coupling, "J of every bond between neighbours");
    v("coupling_spread", coupling_spread, "standard deviation of a bond's J around it: a spin glass", NonNegative());
    v("field", field, "h on every spin");
    v("seed", seed, "which bonds, where they differ", NonNegative());
  }
};

struct IsingConfig {
  static constexpr std::string_view kKind = "ising";
  int64_t side = 4;
  AssignmentOrder order = AssignmentOrder::kAnyPosition;
  IsingRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("side", side, "spins along each direction of the torus", Between(2, 64));
    v("order", order, "left_to_right or any_position");
    v("reward", reward, "the energy");
  }
};

class Ising : public AssignmentWorld {
 public:
  explicit Ising(const IsingConfig& config)
      : AssignmentWorld("ising", config.side * config.side, 2, config.order), side_(config.side) {}

  // -1, 0 (no spin yet) or 1: float [B, N].
  at::Tensor Features(const State& state) const override;
  int64_t NumFeatures() const override { return num_sites(); }
  int64_t FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const override;
  // -1 or 1 of finished objects, float64 [B, N].
  static at::Tensor Spins(const State& objects) { return (2 * Values(objects) - 1).to(at::kDouble); }
  int64_t side() const { return side_; }

 protected:
  std::string FormatSite(int64_t value) const override { return value < 0 ? "." : value == 0 ? "-" : "+"; }

 private:
  int64_t side_;
};

// log R = beta * (1/2 sum_ij J_ij s_i s_j + sum_i h_i s_i), J symmetric with a zero diagonal.
class IsingReward : public StateReward {
 public:
  // Bonds from each site to its right and lower neighbour on the torus (on side 2 the two bonds of a pair add up).
  IsingReward(const Ising& world, const IsingRewardConfig& config);
  // Any energy over the world's sites: float64 [N, N] and [N].
  IsingReward(const Ising& world, double beta, at::Tensor couplings_NN, at::Tensor field_N);

  at::Tensor LogRewardOf(const State& objects) const override;
  // By the transfer matrix of a row of the torus, exact in float64: side products of 2^side x 2^side matrices, so side <= 10.
  // Spins that the state has given stay. For energies without couplings beyond a row and its two neighbours, equal or not.
  std::optional<double> LogSumBelow(const State& state, double temperature) const override;
  std::string Digest() const override { return digest_; }
  const at::Tensor& couplings() const { return couplings_NN_; }
  const at::Tensor& field() const { return field_N_; }

 private:
  int64_t side_;
  double beta_;
  at::Tensor couplings_NN_, field_N_;
  std::string digest_;
};

// The energy of such a file: float64 [N, N] and [N]. DataLoss with file and line.
struct IsingEnergy {
  at::Tensor couplings_NN, field_N;
};
StatusOr<IsingEnergy> ReadIsingEnergy(const std::string& path, int64_t num_sites);
// The text of such a file.
std::string WriteIsingEnergy(const at::Tensor& couplings_NN, const at::Tensor& field_N);

// log of the sum over all spins (IsingReward::LogSumBelow); refused where the lattice is too large.
StatusOr<double> IsingLogZ(const IsingConfig& config);

StatusOr<RewardedWorld> CreateWorld(const IsingConfig& config);

}  // namespace gfn
