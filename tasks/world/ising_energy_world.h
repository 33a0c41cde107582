// Couplings of spins on a square torus, learned from data: the inverse of the Ising world (gflownet/env/ising.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/env/ising.h"
#include "gflownet/estimate/energy_training.h"
#include "gflownet/train/optimizer.h"

namespace gfn {

struct World;

struct SpinSimulationConfig {
  int64_t num = 4000;
  double coupling_spread = 0.35;
  int64_t seed = 1;
  template <class V>
  void Visit(V& v) {
    v("num", num, "exact samples", AtLeast(1));
    v("coupling_spread", coupling_spread, "standard deviation of a true coupling around 0", NonNegative());
    v("seed", seed, "of the couplings and of the samples", NonNegative());
  }
};

struct IsingEnergyWorld {
  static OptimizerConfig DefaultOptimizer() {
    OptimizerConfig config;
    config.learning_rate = 0.02;
    config.clip_norm = 0;
    return config;
  }

  static constexpr std::string_view kKind = "ising_energy";
  int64_t side = 3;
  AssignmentOrder order = AssignmentOrder::kLeftToRight;
  std::string data;
  SpinSimulationConfig simulation;
  EnergyTrainingConfig energy;
  OptimizerConfig energy_optimizer = DefaultOptimizer();

  template <class V>
  void Visit(V& v) {
    v("side", side, "spins along each direction of the torus", Between(2, 32));
    v("order", order, "left_to_right or any_position");
    v("data", data, "JSON lines {\"text\": \"+-++...\"}, a sign a spin, row by row; empty: simulated");
    v("simulation", simulation, "data of known couplings, for lattices that can be listed");
    v("energy", energy, "how the couplings follow the data");
    v("energy_optimizer", energy_optimizer, "of the couplings and fields");
  }
};

StatusOr<std::unique_ptr<World>> MakeWorld(const IsingEnergyWorld& config);

}  // namespace gfn
