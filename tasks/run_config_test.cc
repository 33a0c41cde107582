// Recipes and the reference of their keys.
#include "tasks/run_config.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "gflownet/base/config_reader.h"
#include "gflownet/base/file_util.h"

namespace gfn {
namespace {

TEST(RunConfig, EveryRecipeParsesAndReadsBack) {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(JoinPath(GFN_SOURCE_DIR, "configs"))) {
    if (entry.path().extension() != ".yaml") continue;
    ++count;
    const auto config = ReadConfigFile<RunConfig>(entry.path().string());
    ASSERT_TRUE(config.ok()) << config.status();
    const auto again = ReadConfigText<RunConfig>(WriteConfig(*config), "resolved");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(DiffConfigs(*config, *again).empty()) << entry.path();
  }
  EXPECT_GE(count, 4);
}

TEST(RunConfig, AllMistakesAtOnceWithTheirPlaces) {
  const auto config = ReadConfigText<RunConfig>(
      "model: {path: m.gguf}\nlora: {rank: 0, rnk: 4}\ntask:\n  kind: infill\n  prompt: no place\n  data: {train: "
      "t.jsonl}\ndevice: gpu\n",
      "bad.yaml");
  ASSERT_FALSE(config.ok());
  const std::string message = Message(config.status());
  EXPECT_NE(message.find("bad.yaml:2:"), std::string::npos) << message;
  EXPECT_NE(message.find("[lora.rank]"), std::string::npos) << message;
  EXPECT_NE(message.find("unknown key 'rnk'; did you mean 'rank'?"), std::string::npos) << message;
}

TEST(RunConfig, DefaultsThatDependOnTheTaskAreFilledIn) {
  const auto infill = ReadRunConfigText("model: {path: m.gguf}\ntask: {kind: infill, data: {train: t.jsonl}}\n", "a.yaml");
  ASSERT_TRUE(infill.ok()) << infill.status();
  EXPECT_TRUE(infill->lora.has_value());
  const auto world = ReadRunConfigText("task: {kind: subset}\n", "b.yaml");
  ASSERT_TRUE(world.ok()) << world.status();
  EXPECT_FALSE(world->model.has_value() || world->lora.has_value());
  EXPECT_EQ(TaskKind(*world), "subset");
}

TEST(RunConfig, WhatMayChangeAtAResume) {
  const RunConfig before =
      ReadRunConfigText("model: {path: m.gguf}\ntask: {kind: infill, data: {train: t.jsonl}}\n", "a").value();
  std::vector<std::string> may;
  for (const ConfigEntry& entry : FlattenConfig(before)) {
    if (entry.may_change) may.push_back(entry.path);
  }
  EXPECT_EQ(may,
            (std::vector<std::string>{"name", "threads", "train.max_steps", "train.max_minutes", "train.memory_limit",
                                      "validation.every_steps", "validation.patience", "validation.min_gain",
                                      "checkpoint.every_steps", "checkpoint.every_minutes", "checkpoint.keep", "tensorboard"}));
}

TEST(RunConfig, PatienceNeedsSomethingToCountBy) {
  const std::string text = "model: {path: m.gguf}\nvalidation: {patience: 3}\ntask: {kind: infill, data: {train: t.jsonl";
  const Status refused = ReadRunConfigText(text + "}}\n", "a.yaml").status();
  EXPECT_NE(
      Message(refused).find("a.yaml:2:24: [validation.patience] counts evaluations on task.data.validation, which is empty"),
      std::string::npos)
      << refused;
  EXPECT_TRUE(ReadRunConfigText(text + ", validation: v.jsonl}}\n", "a.yaml").ok());
}

TEST(RunConfig, TheReferenceIsCurrent) {
  const auto text = ReadFile(JoinPath(GFN_SOURCE_DIR, "docs/config.md"));
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, ConfigReference()) << "run: build/release/gfn describe --keys > docs/config.md";
}

}  // namespace
}  // namespace gfn
