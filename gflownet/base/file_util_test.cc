#include "gflownet/base/file_util.h"

#include <filesystem>

#include "gflownet/base/digest.h"
#include "gflownet/base/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PathTest, Parts) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath("a", "/b"), "/b");
  EXPECT_EQ(ParentFolder("a/b/c"), "a/b");
  EXPECT_EQ(ParentFolder("a/b/"), "a");
  EXPECT_EQ(ParentFolder("a"), ".");
  EXPECT_EQ(ParentFolder("/a"), "/");
  EXPECT_EQ(BaseName("a/b.txt"), "b.txt");
  EXPECT_EQ(BaseName("a/b/"), "b");
}

TEST(FileUtilTest, ALinkThatLeadsNowhereIsNamed) {
  const TestFolder folder;
  std::filesystem::create_symlink(folder / "away", folder / "link");
  for (const char* name : {"link", "link/", "link/inner"}) {
    const Status status = MakeFolders(folder / name);
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << name;
    EXPECT_THAT(Message(status), HasSubstr("link: is a symbolic link to " + folder.path() + "/away, which does not exist"))
        << name;
  }
  ASSERT_TRUE(MakeFolders(folder / "away").ok());
  EXPECT_TRUE(MakeFolders(folder / "link").ok());
  EXPECT_TRUE(MakeFolders(folder / "link/inner").ok());
}

TEST(FileUtilTest, RemovesFilesAndEmptyFoldersAndNothingElse) {
  const TestFolder folder;
  ASSERT_TRUE(MakeFolders(folder / "full").ok() && MakeFolders(folder / "empty").ok());
  ASSERT_TRUE(WriteFileAtomic(folder / "full/f", "x").ok());
  std::filesystem::create_symlink(folder / "full/f", folder / "link");
  std::filesystem::create_symlink(folder / "empty", folder / "folder_link");
  for (const char* name : {"link", "folder_link", "full", "none"}) EXPECT_TRUE(RemoveFile(folder / name).ok()) << name;
  for (const char* name : {"link", "folder_link", "full", "full/f", "none"})
    EXPECT_TRUE(RemoveEmptyFolder(folder / name).ok()) << name;
  EXPECT_THAT(ListFolder(folder.path()).value(), ElementsAre("empty", "folder_link", "full", "link"));
  EXPECT_TRUE(RemoveFile(folder / "full/f").ok());
  for (const char* name : {"empty", "full"}) EXPECT_TRUE(RemoveEmptyFolder(folder / name).ok()) << name;
  EXPECT_THAT(ListFolder(folder.path()).value(), ElementsAre("folder_link", "link"));
}

TEST(FileUtilTest, WhatAKilledWriterLeavesIsKnownByItsName) {
  EXPECT_TRUE(IsUnfinishedFile("a.yaml.writing.12.0", "a.yaml"));
  EXPECT_FALSE(IsUnfinishedFile("a.yaml", "a.yaml"));
  EXPECT_FALSE(IsUnfinishedFile("b.yaml.writing.12.0", "a.yaml"));
  EXPECT_FALSE(IsUnfinishedFile("a.yaml.old", "a.yaml"));
}

TEST(FileUtilTest, WritesAndReads) {
  const TestFolder folder;
  const std::string path = folder / "f", content("a\0b\n", 4);
  EXPECT_FALSE(FileExists(path));
  ASSERT_TRUE(WriteFileAtomic(path, content).ok());
  EXPECT_TRUE(FileExists(path));
  EXPECT_FALSE(FolderExists(path));
  EXPECT_EQ(ReadFile(path).value(), content);
  EXPECT_EQ(FileSize(path).value(), 4);
  EXPECT_EQ(FileDigest(path).value(), HashText(content));
  EXPECT_EQ(ReadFileTail(path, 2).value(), "b\n");
  EXPECT_EQ(ReadFileTail(path, 100).value(), content);
  ASSERT_TRUE(WriteFileAtomic(path, "new").ok());
  EXPECT_EQ(ReadFile(path).value(), "new");
  EXPECT_THAT(ListFolder(folder.path()).value(), ElementsAre("f"));  // nothing temporary is left
}

TEST(FileUtilTest, SizesAreLimited) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "0123456789").ok());
  EXPECT_TRUE(ReadFile(folder / "f", 10).ok());
  const Status status = ReadFile(folder / "f", 9).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(status), HasSubstr("10 bytes"));
}

TEST(FileUtilTest, MissingFilesAreNotFound) {
  const TestFolder folder;
  for (const Status& status :
       {ReadFile(folder / "x").status(), FileSize(folder / "x").status(), FileDigest(folder / "x").status(),
        ListFolder(folder / "x").status(), WriteFileAtomic(folder / "x/y", ""), TruncateFile(folder / "x", 0),
        SyncPath(folder / "x"), RenameIntoPlace(folder / "x", folder / "y")}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
    EXPECT_THAT(Message(status), HasSubstr(folder / "x"));
  }
}

TEST(FileUtilTest, AFolderIsNoFile) {
  const TestFolder folder;
  EXPECT_THAT(Message(WriteFileAtomic(folder.path(), "x")), HasSubstr("found a folder"));
  EXPECT_FALSE(ReadFile(folder.path()).ok());
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "").ok());
  EXPECT_FALSE(MakeFolders(folder / "f/g").ok());
  EXPECT_FALSE(ListFolder(folder / "f").ok());
}

TEST(FileUtilTest, Truncates) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "0123456789").ok());
  ASSERT_TRUE(TruncateFile(folder / "f", 4).ok());
  EXPECT_EQ(ReadFile(folder / "f").value(), "0123");
  const Status status = TruncateFile(folder / "f", 5);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(status), HasSubstr("has 4 bytes"));
}

TEST(FileUtilTest, Folders) {
  const TestFolder folder;
  ASSERT_TRUE(MakeFolders(folder / "a/b/c").ok());
  ASSERT_TRUE(MakeFolders(folder / "a/b/c").ok());
  ASSERT_TRUE(WriteFileAtomic(folder / "a/b/z", "1").ok());
  ASSERT_TRUE(WriteFileAtomic(folder / "a/b/y", "2").ok());
  EXPECT_THAT(ListFolder(folder / "a/b").value(), ElementsAre("c", "y", "z"));
  EXPECT_TRUE(SyncFolderTree(folder / "a").ok());
  ASSERT_TRUE(RenameIntoPlace(folder / "a", folder / "d").ok());
  EXPECT_FALSE(FolderExists(folder / "a"));
  EXPECT_EQ(ReadFile(folder / "d/b/y").value(), "2");
  ASSERT_TRUE(MakeFolders(folder / "full/x").ok());
  EXPECT_FALSE(RenameIntoPlace(folder / "d", folder / "full").ok());
  ASSERT_TRUE(RemoveAll(folder / "d").ok());
  ASSERT_TRUE(RemoveAll(folder / "d").ok());
  EXPECT_FALSE(FolderExists(folder / "d"));
}

TEST(AtomicFileTest, NothingIsSeenBeforeCommit) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "old").ok());
  {
    AtomicFile file = AtomicFile::Create(folder / "f").value();
    ASSERT_TRUE(file.WriteAt(2, std::as_bytes(std::span("cd", 2))).ok());
    ASSERT_TRUE(file.WriteAt(0, std::as_bytes(std::span("ab", 2))).ok());
    EXPECT_EQ(ReadFile(folder / "f").value(), "old");
    AtomicFile moved = std::move(file);
    ASSERT_TRUE(moved.Commit().ok());
  }
  EXPECT_EQ(ReadFile(folder / "f").value(), "abcd");
}

TEST(AtomicFileTest, DiscardedLeavesTheOldFileAlone) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "old").ok());
  {
    AtomicFile file = AtomicFile::Create(folder / "f").value();
    ASSERT_TRUE(file.WriteAt(0, std::as_bytes(std::span("new", 3))).ok());
    AtomicFile other = AtomicFile::Create(folder / "g").value();
    other = std::move(file);  // what `other` was writing is discarded
  }
  EXPECT_EQ(ReadFile(folder / "f").value(), "old");
  EXPECT_THAT(ListFolder(folder.path()).value(), ElementsAre("f"));
}

TEST(AtomicFileTest, AFailedWriteIsAnError) {
  const TestFolder folder;
  AtomicFile file = AtomicFile::Create(folder / "f").value();
  // Larger than any file system allows.
  const Status status = file.WriteAt(INT64_MAX - 1, std::as_bytes(std::span("ab", 2)));
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(Message(status), HasSubstr("cannot write 2 bytes"));
}

TEST(AtomicFileTest, TwoWritersOfOneNameDoNotMix) {
  const TestFolder folder;
  AtomicFile a = AtomicFile::Create(folder / "f").value();
  AtomicFile b = AtomicFile::Create(folder / "f").value();
  ASSERT_TRUE(a.WriteAt(0, std::as_bytes(std::span("aaaa", 4))).ok());
  ASSERT_TRUE(b.WriteAt(0, std::as_bytes(std::span("bb", 2))).ok());
  ASSERT_TRUE(a.Commit().ok());
  ASSERT_TRUE(b.Commit().ok());
  EXPECT_EQ(ReadFile(folder / "f").value(), "bb");
}

TEST(AtomicFileDeathTest, WritingAfterCommit) {
  const TestFolder folder;
  AtomicFile file = AtomicFile::Create(folder / "f").value();
  ASSERT_TRUE(file.Commit().ok());
  EXPECT_DEATH((void)file.WriteAt(0, {}), "after Commit");
}

}  // namespace
}  // namespace gfn
