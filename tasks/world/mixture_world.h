// The hierarchical Gaussian mixture (lvm/mixture): its points are the conditions, and EM fits the means while the sampler learns
// the posterior of the two choices that made each point.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "lvm/em_config.h"

namespace gfn {

struct World;

struct MixtureDataConfig {
  int64_t num = 4000;
  int64_t seed = 1;
  template <class V>
  void Visit(V& v) {
    v("num", num, "points drawn from the true mixture", Between(1, 1e7));
    v("seed", seed, "of these draws", NonNegative());
  }
};

struct MixtureWorld {
  static constexpr std::string_view kKind = "mixture";
  int64_t num_groups = 4;
  double sigma = 0.25;
  std::string data;
  MixtureDataConfig simulation;
  int64_t start_seed = 1;
  std::optional<double> floor;
  EmConfig em;

  template <class V>
  void Visit(V& v) {
    v("num_groups", num_groups, "groups, of as many components each", Between(2, 32));
    v("sigma", sigma, "standard deviation of a component along each coordinate", Positive());
    v("data", data, "JSON lines {\"x\": [number, number]}; empty: simulated");
    v("simulation", simulation, "points of known means");
    v("start_seed", start_seed, "the means begin at points of the data, chosen by this", NonNegative());
    v("floor", floor, "smallest log p(x, z) that the sampler's reward tells apart; null: none");
    v("em", em, "how the means are fitted");
  }
};

StatusOr<std::unique_ptr<World>> MakeWorld(const MixtureWorld& config);

}  // namespace gfn
