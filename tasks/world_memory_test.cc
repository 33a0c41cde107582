// What a run on a world is said to take before it starts, and what its evaluations take at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "gflownet/base/memory.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/train/signals.h"
#include "tasks/build.h"
#include "tasks/training.h"
#include "tasks/world/world_policy.h"
#include "tasks/world/world_task.h"

namespace gfn {
namespace {

constexpr double kMiB = 1 << 20;

RunConfig ConfigOf(const std::string& text) {
  auto config = ReadRunConfigText(text, "test.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return *std::move(config);
}

double Bytes(const std::string& text) {
  const auto parts = MakePlan(ConfigOf(text))->EstimateMemory();
  EXPECT_TRUE(parts.ok()) << parts.status();
  double sum = 0;
  for (const auto& [name, bytes] : *parts) sum += bytes;
  return sum;
}

TEST(WorldMemory, ParametersAreCountedAsTheyAreMade) {
  for (const char* world :
       {"kind: bayes_net, num_nodes: 3", "kind: bit_sequence, num_bits: 6, word_bits: 2, reward: {num_modes: 2}",
        "kind: bit_sequence, num_bits: 6, word_bits: 2, order: left_to_right, reward: {num_modes: 2}", "kind: box, dimensions: 2",
        "kind: ising, side: 2", "kind: ising_energy, side: 2", "kind: layered_graph, width: 3",
        "kind: mixture, simulation: {num: 9}", "kind: phylogeny, num_species: 4", "kind: sequence, max_length: 3",
        "kind: subset, num_elements: 4, max_size: 3", "kind: trade_off, side: 3",
        "kind: trade_off, side: 3, log_z: {kind: network, width: 6, depth: 2}", "kind: windy_grid, side: 3"}) {
    for (const char* policy : {"{kind: mlp, width: 9, depth: 3}", "{kind: tabular}"}) {
      if (std::string(world).starts_with("kind: box") && std::string(policy).find("tabular") != std::string::npos) continue;
      for (const char* backward : {"learned", "uniform"}) {
        for (const char* objective : {"tb", "db", "vargrad", "fm"}) {
          const std::string text = std::string("threads: 1\ntask: {") + world + ", policy: " + policy +
                                   ", backward: " + backward + "}\nobjective: {kind: " + objective + "}\n";
          SCOPED_TRACE(text);
          const RunConfig config = ConfigOf(text);
          const auto task = BuildTask(config, {});
          ASSERT_TRUE(task.ok()) << task.status();
          const auto lines = MakePlan(config)->Describe();
          ASSERT_TRUE(lines.ok()) << lines.status();
          const std::string made = ", " + std::to_string((*task)->sampler().parameters->num_elements()) + " parameters";
          bool found = false;
          for (const auto& [key, value] : *lines) found = found || (key == "policy" && value.ends_with(made));
          EXPECT_TRUE(found) << made;
        }
      }
    }
  }
}

TEST(WorldMemory, TheEstimateTakesNoneOfWhatItEstimates) {
  const std::string large = "task: {kind: hypergrid, policy: {kind: mlp, width: 65536, depth: 4}}\nobjective: {kind: tb}\n";
  ResetPeakRss();
  const int64_t before = PeakRssBytes();
  // Three matrices of 2^32 numbers, each with a gradient and two moments.
  EXPECT_GT(Bytes(large), 3 * 4 * 4 * 4294967296.0);
  EXPECT_TRUE(MakePlan(ConfigOf(large))->Describe().ok());
  EXPECT_LT(static_cast<double>(PeakRssBytes() - before), 64 * kMiB);
}

TEST(WorldMemory, TheEstimateDoesNotOverflow) {
  const std::string grid = "task: {kind: hypergrid, dimensions: 16, side: 4096, policy: {kind: mlp, width: 65536, depth: 64}}\n";
  const double huge = Bytes(grid +
                            "objective: {kind: modified_subtb, residual: {kind: huber}}\n"
                            "train: {rollouts: 4611686018427387904, conditions_per_step: 4611686018427387904, behaviour: "
                            "{on_policy: 0, replay: 1}, replay: {capacity: 4611686018427387904}}\n"
                            "evaluation: {samples: 4611686018427387904, batch_rows: 4611686018427387904}\n");
  EXPECT_TRUE(std::isfinite(huge));
  EXPECT_GT(huge, 1e36);
}

TEST(WorldMemory, EveryLargeSettingCounts) {
  const auto text = [](const std::string& task, const std::string& rest) {
    return "threads: 2\ntask: {kind: ising, side: 12" + task + "}\n" + rest;
  };
  const std::string tb = "objective: {kind: tb}\n";
  const double base = Bytes(text("", tb));
  EXPECT_GT(Bytes(text("", tb + "train: {rollouts: 2048}\n")), base + 500 * kMiB);
  EXPECT_GT(Bytes(text("", tb + "evaluation: {samples: 4096, batch_rows: 4096}\n")), base + 500 * kMiB);
  // Of more samples than go together only what is recorded counts.
  EXPECT_LT(Bytes(text("", tb + "evaluation: {samples: 4096, batch_rows: 64}\n")),
            Bytes(text("", tb + "evaluation: {samples: 64, batch_rows: 64}\n")) + 50 * kMiB);
  EXPECT_GT(Bytes(text(", policy: {kind: mlp, width: 4096}", tb)), base + 500 * kMiB);
  EXPECT_GT(Bytes(text("", "objective: {kind: subtb}\ntrain: {rollouts: 512}\n")),
            Bytes(text("", "objective: {kind: db}\ntrain: {rollouts: 512}\n")) + 400 * kMiB);
  EXPECT_GT(Bytes("task: {kind: hypergrid, dimensions: 4, side: 20, metrics: {max_states: 1000000}}\n" + tb),
            Bytes("task: {kind: hypergrid, dimensions: 4, side: 20, metrics: {exact: off}}\n" + tb) + 50 * kMiB);
}

constexpr char kThreeConditions[] =
    "threads: 1\ntask: {kind: trade_off, side: 4, divisions: 2, policy: {kind: mlp, width: 8, depth: 1}}\nobjective: {kind: "
    "tb}\n";

StatusOr<Evaluation> Validated(const std::string& text) {
  ASSIGN_OR_RETURN(const auto task, BuildTask(ConfigOf(text), {}));
  return task->Validate();
}

TEST(WorldEvaluation, RowsAtATimeChangeNothing) {
  const auto some = Validated(std::string(kThreeConditions) + "evaluation: {samples: 100, batch_rows: 7}\n");
  const auto all = Validated(std::string(kThreeConditions) + "evaluation: {samples: 100, batch_rows: 100}\n");
  ASSERT_TRUE(some.ok() && all.ok());
  ASSERT_EQ(some->metrics.values().size(), all->metrics.values().size());
  for (const auto& [name, value] : all->metrics.values()) EXPECT_NEAR(*some->metrics.Find(name), value, 1e-4) << name;
}

TEST(WorldEvaluation, TheFirstConditionsAlone) {
  const auto one = Validated(std::string(kThreeConditions) + "evaluation: {samples: 50, max_conditions: 1}\n");
  const auto all = Validated(std::string(kThreeConditions) + "evaluation: {samples: 50}\n");
  const auto more = Validated(std::string(kThreeConditions) + "evaluation: {samples: 50, max_conditions: 100}\n");
  ASSERT_TRUE(one.ok() && all.ok() && more.ok());
  EXPECT_NE(*one->metrics.Find("exact_log_z"), *all->metrics.Find("exact_log_z"));
  EXPECT_EQ(*more->metrics.Find("exact_log_z"), *all->metrics.Find("exact_log_z"));
}

TEST(WorldEvaluation, ASignalEndsItBetweenTwoBatches) {
  const SignalGuard guard;
  std::raise(SIGTERM);
  const auto stopped = Validated(std::string(kThreeConditions) + "evaluation: {samples: 100, batch_rows: 10}\n");
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled) << stopped.status();
}

}  // namespace
}  // namespace gfn
