#include "gflownet/train/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

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

// Everything below a folder, one path a line.
std::string Tree(const std::string& folder) {
  std::string tree;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    tree += entry.path().lexically_relative(folder).string() + "\n";
  return tree;
}

TEST(RunFolderTest, ARefusedFolderIsLeftAsItWas) {
  const std::string path = NewFolder("home");
  ASSERT_TRUE(MakeFolders(path).ok());
  ASSERT_TRUE(WriteFileAtomic(path + "/lock", "combination: 4711\n").ok());
  EXPECT_THAT(Message(RunFolder::Create(path, "").status()), HasSubstr("but this one has: lock"));
  EXPECT_EQ(ReadFile(path + "/lock").value(), "combination: 4711\n");
  ASSERT_TRUE(WriteFileAtomic(path + "/thesis.tex", "precious").ok());
  ASSERT_TRUE(RemoveFile(path + "/lock").ok());
  EXPECT_FALSE(RunFolder::Create(path, "").ok());
  EXPECT_EQ(Tree(path), "thesis.tex\n") << "no lock in a foreign folder";
}

TEST(RunFolderTest, DiscardRemovesWhatWasMadeWithTheFoldersAroundIt) {
  const std::string root = NewFolder("root");
  ASSERT_TRUE(MakeFolders(root + "/there").ok());
  auto run = RunFolder::Create(root + "/there/a/b/", "lr: 1\n");
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_TRUE(MakeFolders(run->paths().failures()).ok());
  for (const std::string& file : {run->paths().metrics(), run->paths().timing(), run->paths().given() + ".writing.7.0",
                                  run->paths().failures() + "/failed_step_3.safetensors"})
    ASSERT_TRUE(WriteFileAtomic(file, "x").ok());
  ASSERT_TRUE(MakeFolders(run->paths().checkpoints() + "/unfinished_step_000003").ok());
  EXPECT_FALSE(run->HoldsWork());
  ASSERT_TRUE(run->Discard().ok());
  EXPECT_EQ(Tree(root), "there\n");
}

TEST(RunFolderTest, DiscardLeavesWhatItDidNotMake) {
  const std::string path = NewFolder("run");
  ASSERT_TRUE(MakeFolders(path).ok());
  auto run = RunFolder::Create(path, "lr: 1\n");
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_TRUE(MakeFolders(path + "/adapter").ok() && MakeFolders(run->paths().failures()).ok());
  for (const char* name : {"/notes.txt", "/adapter/mine", "/failures/why.txt", "/checkpoints/pinned"})
    ASSERT_TRUE(WriteFileAtomic(path + name, "mine").ok());
  std::filesystem::create_symlink(path + "/notes.txt", run->paths().metrics());
  ASSERT_TRUE(run->Discard().ok());
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_directory()) left.push_back(entry.path().lexically_relative(path).string());
  }
  EXPECT_THAT(left, testing::UnorderedElementsAre("notes.txt", "adapter/mine", "failures/why.txt", "checkpoints/pinned",
                                                  "metrics.jsonl"));
  EXPECT_EQ(ReadFile(path + "/notes.txt").value(), "mine");
}

TEST(RunFolderTest, AnEmptyFolderOfTheUserStaysAlsoBehindALink) {
  const std::string path = NewFolder("scratch"), link = NewFolder("link");
  ASSERT_TRUE(MakeFolders(path).ok());
  std::filesystem::create_symlink(path, link);
  auto run = RunFolder::Create(link, "lr: 1\n");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_TRUE(IsRunFolder(path));
  ASSERT_TRUE(run->Discard().ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(Tree(path), "");
}

TEST(RunFolderTest, ARunWithoutWorkStartsAgainBesideWhatTheUserPutThere) {
  const std::string path = NewFolder("run");
  ASSERT_TRUE(RunFolder::Create(path, "lr: 1\n").ok());
  for (const char* name : {"/notes.txt", "/metrics.jsonl"}) ASSERT_TRUE(WriteFileAtomic(path + name, "x").ok());
  auto run = RunFolder::Open(path);
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_TRUE(run->StartAgain("lr: 2\n").ok());
  EXPECT_EQ(run->config_text(), "lr: 2\n");
  EXPECT_EQ(ReadFile(run->paths().config()).value(), "lr: 2\n");
  EXPECT_FALSE(FileExists(run->paths().metrics()));
  EXPECT_EQ(ReadFile(path + "/notes.txt").value(), "x");
}

TEST(RunFolderTest, CheckpointsAndGivenObjectsAreWork) {
  const auto run = RunFolder::Create(NewFolder("run"), "");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FALSE(run->HoldsWork());
  for (const char* name : {"/step_000003", "/rejected_step_000003"}) {
    ASSERT_TRUE(MakeFolders(run->paths().checkpoints() + name).ok());
    EXPECT_TRUE(run->HoldsWork()) << name;
    ASSERT_TRUE(RemoveAll(run->paths().checkpoints() + name).ok());
  }
  ASSERT_TRUE(WriteFileAtomic(run->paths().given(), "").ok());
  EXPECT_FALSE(run->HoldsWork());
  ASSERT_TRUE(WriteFileAtomic(run->paths().given(), "{}\n").ok());
  EXPECT_TRUE(run->HoldsWork());
}

}  // namespace
}  // namespace gfn
