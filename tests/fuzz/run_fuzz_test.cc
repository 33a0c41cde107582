// The project's own files: checkpoints and the other files of a run folder. A checkpoint's checksums stop almost all damage; so
// what is behind them is tried as well, as if somebody had made the checksums right.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "gflownet/base/config_reader.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/training_fixture.h"
#include "gflownet/tensor/exceptions.h"
#include "gflownet/train/checkpoint.h"
#include "gflownet/train/run_folder.h"
#include "tests/fuzz/fuzz.h"

namespace gfn {
namespace {

class RunFuzz : public testing::Test {
 protected:
  TrainingSetup Setup() const {
    TrainingSetup setup{.environment = &tree_, .reward = &reward_, .conditions = {"a", "b"}, .objective = ModifiedSubTbConfig{}};
    setup.trainer.conditions_per_step = 2;
    setup.trainer.rollouts = 4;
    setup.trainer.behaviour = {.on_policy = 0.5, .tempered = 0, .replay = 0.5, .per_rollout = true, .exploration = {}};
    return setup;
  }
  // Mutates one file of a trainer's checkpoint; what loads takes a step. Exceptions are caught where the driver catches them.
  void FuzzTrainerFile(const std::string& name, uint64_t seed) {
    TrainingRun run(Setup());
    run.Steps(3);
    ASSERT_TRUE(run.trainer().Save(folder_.path()).ok());
    const std::string path = folder_ / name;
    Fuzz(path, ReadFile(path).value(), seed, [&]() -> Status {
      TrainingRun other(Setup());
      RETURN_IF_ERROR(CatchExceptions("loading", [&] { return other.trainer().Load(folder_.path()); }));
      return CatchExceptions("step", [&] { return other.trainer().Step(); }).status();
    });
  }
  // A checkpoint of two files; its folder.
  std::string MakeCheckpoint() const {
    CheckpointManifest manifest;
    manifest.step = 7;
    manifest.config = "seed: 1\n";
    manifest.metrics_bytes = 100;
    manifest.environment = {{"cpu", "x"}, {"threads", "2"}};
    manifest.identity = {{"weights", "0123456789abcdef"}};
    manifest.best = BestScore{7, 0.5};
    return WriteCheckpoint(folder_.path(), manifest,
                           [](const std::string& folder) -> Status {
                             RETURN_IF_ERROR(WriteFileAtomic(JoinPath(folder, "a.bin"), "hello"));
                             return WriteFileAtomic(JoinPath(folder, "b.bin"), "world");
                           })
        .value();
  }

  const TestFolder folder_;
  const PrefixTree tree_{PrefixTreeConfig{.num_symbols = 3, .num_stops = 1, .min_length = 1, .max_length = 4}};
  const PrefixTreeReward reward_{tree_, 2, 1};
};

TEST_F(RunFuzz, Manifest) {
  const std::string checkpoint = MakeCheckpoint(), path = checkpoint + "/manifest.json";
  Fuzz(path, ReadFile(path).value(), 22, [&]() -> Status {
    RETURN_IF_ERROR(VerifyCheckpoint(checkpoint).status());
    return ListCheckpoints(folder_.path()).status();
  });
}

TEST_F(RunFuzz, ManifestWithTheRightChecksum) {
  const std::string checkpoint = MakeCheckpoint(), path = checkpoint + "/manifest.json", content = folder_ / "content.json";
  const nlohmann::json original = ReadJsonFile(path).value();
  Fuzz(content, original["manifest"].dump(), 23, [&]() -> Status {
    ASSIGN_OR_RETURN(const nlohmann::json mutant, ReadJsonFile(content));
    ASSIGN_OR_RETURN(const std::string text, JsonToText(mutant));
    RETURN_IF_ERROR(WriteJsonFile(path, {{"checksum", DigestToHex(HashText(text))}, {"manifest", mutant}}));
    return VerifyCheckpoint(checkpoint).status();
  });
}

TEST_F(RunFuzz, TrainerState) { FuzzTrainerFile("trainer.json", 24); }
TEST_F(RunFuzz, Parameters) { FuzzTrainerFile("parameters.safetensors", 25); }
TEST_F(RunFuzz, Optimizer) { FuzzTrainerFile("optimizer.safetensors", 26); }
TEST_F(RunFuzz, ReplayBuffer) { FuzzTrainerFile("replay.safetensors", 27); }

TEST_F(RunFuzz, Metrics) {
  const std::string path = folder_ / "metrics.jsonl";
  {
    auto writer = MetricsWriter::Open(path, folder_ / "timing.jsonl", 0);
    for (int64_t step = 0; step < 5; ++step) {
      ASSERT_TRUE(writer->Append(step, "train", {{"loss", 0.5}, {"elbo", -3.25e-7}, {"bad", HUGE_VAL}}).ok());
    }
  }
  Fuzz(path, ReadFile(path).value(), 28, [&]() -> Status {
    RETURN_IF_ERROR(ReadMetrics(path).status());
    return MetricsWriter::Open(path, folder_ / "timing.jsonl", 10).status();
  });
}

TEST_F(RunFuzz, RunFolder) {
  // Whatever stands in them, the lock is taken and the configuration comes back as a text or is refused.
  const std::string path = folder_ / "run";
  ASSERT_TRUE(RunFolder::Create(path, WriteConfig(TrainerConfig())).ok());
  const RunPaths paths{path};
  const std::string holder = R"({"host":"elsewhere","pid":12345,"since":"2025-01-31T12:00:00Z","start_ticks":42})";
  uint64_t trial = 0;
  Fuzz(paths.config(), ReadFile(paths.config()).value(), 29, [&]() -> Status {
    RETURN_IF_ERROR(WriteFileAtomic(paths.lock(), Mutate(holder, {30, RngPurpose::kTest, 0}, ++trial)));
    ASSIGN_OR_RETURN(const RunFolder run, RunFolder::Open(path));
    return ReadConfigText<TrainerConfig>(run.config_text(), paths.config()).status();
  });
}

}  // namespace
}  // namespace gfn
