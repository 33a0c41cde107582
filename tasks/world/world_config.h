// Small worlds whose answer is known or can be bounded, as tasks. Configuration only: a world's own struct (hypergrid_world.h and
// its neighbours) says which objects exist and what they are worth; what all of them share stands here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/enum_table.h"

namespace gfn {

struct MlpPolicyConfig {
  static constexpr std::string_view kKind = "mlp";
  int64_t width = 256;
  int64_t depth = 2;
  template <class V>
  void Visit(V& v) {
    v("width", width, "units of a hidden layer", Between(1, 65536));
    v("depth", depth, "hidden layers", Between(1, 64));
  }
};

struct TabularPolicyConfig {
  static constexpr std::string_view kKind = "tabular";
  template <class V>
  void Visit(V&) {}
};

enum class BackwardKind { kUniform, kLearned, kMaxEntropy };
GFN_ENUM_TABLE(BackwardKind, {BackwardKind::kUniform, "uniform", "every parent alike"},
               {BackwardKind::kLearned, "learned", "a head of the policy"},
               {BackwardKind::kMaxEntropy, "max_entropy",
                "by the number of trajectories to each parent: all trajectories to an object alike"})

// log Z(x): one number a condition, or a network of its features.
struct LogZTableConfig {
  static constexpr std::string_view kKind = "table";
  template <class V>
  void Visit(V&) {}
};

struct LogZNetworkConfig {
  static constexpr std::string_view kKind = "network";
  int64_t width = 64;
  int64_t depth = 2;
  template <class V>
  void Visit(V& v) {
    v("width", width, "units of a hidden layer", Between(1, 65536));
    v("depth", depth, "hidden layers", Between(1, 64));
  }
};

// R' = (R / c)^(1 / temperature) in -R' log R'.
struct EntropyTargetConfig {
  std::optional<double> log_c;
  double temperature = 1;
  template <class V>
  void Visit(V& v) {
    v("log_c", log_c, "log of a bound c that every R lies below; absent: found by listing the world");
    v("temperature", temperature, "the temperature of the run whose entropy is asked for; this run itself has temperature 1",
      Positive());
  }
};

enum class ExactMode { kAuto, kRequired, kOff };
GFN_ENUM_TABLE(ExactMode, {ExactMode::kAuto, "auto", "where the world is small enough"},
               {ExactMode::kRequired, "required", "a world that is too large is refused"},
               {ExactMode::kOff, "off", "from samples alone"})

struct WorldMetricsConfig {
  ExactMode exact = ExactMode::kAuto;
  int64_t max_states = int64_t{1} << 18;
  int64_t top_k = 100;

  template <class V>
  void Visit(V& v) {
    v("exact", exact, "the learned distribution by dynamic programming over all states, and its distance from the target");
    v("max_states", max_states, "states up to which a world is small enough; each is scored once an evaluation", AtLeast(1));
    v("top_k", top_k, "best distinct objects among the samples whose reward and diversity are reported", AtLeast(2));
  }
};

// What the worlds share: the policy and what is measured.
struct WorldSettings {
  std::variant<MlpPolicyConfig, TabularPolicyConfig> policy;
  BackwardKind backward = BackwardKind::kLearned;
  std::variant<LogZTableConfig, LogZNetworkConfig> log_z;
  WorldMetricsConfig metrics;
  std::string given;
  std::optional<EntropyTargetConfig> entropy_target;

  template <class V>
  void Visit(V& v) {
    v("policy", policy, "the network, or a table with a row per state");
    v("backward", backward, "the backward policy; a tree needs none");
    v("log_z", log_z,
      "where the objective learns log Z: a number a condition, or a network, for worlds whose conditions have features");
    v("metrics", metrics, "what is measured of the sampler");
    v("given", given,
      "JSON lines of objects ({\"text\": ...}, as `gfn sample` prints them) of a world that can be listed, for objective and "
      "warm_start "
      "maximum_likelihood and train.replay_given; empty: none");
    v("entropy_target", entropy_target,
      "train on -R' log R' in place of R: the second sampler of `gfn estimate --what target_entropy`");
  }
};

// `World` has kKind, Visit, perhaps Validate, and MakeWorld(const World&) beside it (world.h).
template <class World>
struct WorldConfig {
  static constexpr const auto& kKind = World::kKind;
  static constexpr bool kUsesLanguageModel = false;
  World world;
  WorldSettings settings;

  template <class V>
  void Visit(V& v) {
    world.Visit(v);
    settings.Visit(v);
  }
  void Validate([[maybe_unused]] ConfigErrors& errors) const {
    if constexpr (requires { world.Validate(errors); }) world.Validate(errors);
  }
};

}  // namespace gfn
