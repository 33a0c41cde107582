#include "gflownet/train/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/file_util.h"
#include "gflownet/train/toy_loop.h"

namespace gfn {
namespace {

using ::testing::HasSubstr;

TEST(RunFolderTest, IsCreatedOnceAndOpenedAfterwards) {
  const std::string path = NewFolder("run");
  EXPECT_EQ(RunFolder::Open(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(IsRunFolder(path));
  {
    const auto run = RunFolder::Create(path, "lr: 1\n");
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_TRUE(IsRunFolder(path));
    EXPECT_THAT(Message(RunFolder::Open(path).status()), HasSubstr("in use by process"));
  }
  EXPECT_THAT(Message(RunFolder::Create(path, "lr: 2\n").status()), HasSubstr("go on with it by --resume"));
  const auto run = RunFolder::Open(path);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->config_text(), "lr: 1\n");
  EXPECT_TRUE(FolderExists(run->paths().checkpoints()));
}

TEST(RunFolderTest, AFolderWithOtherThingsInItIsRefused) {
  const std::string path = NewFolder("home");
  ASSERT_TRUE(MakeFolders(path).ok());
  ASSERT_TRUE(WriteFileAtomic(path + "/thesis.tex", "precious").ok());
  EXPECT_THAT(Message(RunFolder::Create(path, "").status()), HasSubstr("but this one has: thesis.tex"));
  EXPECT_FALSE(IsRunFolder(path));
}

TEST(RunFolderTest, AChangedConfigurationIsRecordedBeforeItReplacesTheOldOne) {
  const std::string path = NewFolder("run");
  ASSERT_TRUE(RunFolder::Create(path, "max_steps: 10\n").ok());
  {
    auto run = RunFolder::Open(path);
    ASSERT_TRUE(run->ChangeConfig("max_steps: 20\n", {{"train.max_steps", "10", "20"}}).ok());
    EXPECT_EQ(run->config_text(), "max_steps: 20\n");
  }
  EXPECT_EQ(RunFolder::Open(path)->config_text(), "max_steps: 20\n");
  EXPECT_THAT(ReadFile(path + "/history.jsonl").value(), HasSubstr(R"({"key":"train.max_steps","new":"20","old":"10"})"));
}

TEST(RunFolderTest, WhatAKilledProcessLeftHalfWrittenIsRemoved) {
  const std::string path = NewFolder("run");
  ASSERT_TRUE(RunFolder::Create(path, "").ok());
  ASSERT_TRUE(MakeFolders(path + "/checkpoints/unfinished_step_000007").ok());
  ASSERT_TRUE(RunFolder::Open(path).ok());
  EXPECT_TRUE(ListFolder(path + "/checkpoints")->empty());
}

}  // namespace
}  // namespace gfn
