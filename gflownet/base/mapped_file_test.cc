#include "gflownet/base/mapped_file.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "gflownet/base/file_util.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/base/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

using ::testing::HasSubstr;

TEST(MappedFileTest, MapsTheContent) {
  const TestFolder folder;
  const std::string content = std::string("a\0b", 3) + std::string(100000, 'x');
  ASSERT_TRUE(WriteFileAtomic(folder / "f", content).ok());
  const StatusOr<MappedFile> file = MappedFile::Open(folder / "f");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size(), static_cast<int64_t>(content.size()));
  EXPECT_EQ(file->text(), content);
  EXPECT_EQ(file->path(), folder / "f");
  file->WillReadAll();
}

TEST(MappedFileTest, AGitLfsPointerIsNoFile) {
  const TestFolder folder;
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1234\n";
  ASSERT_TRUE(WriteFileAtomic(folder / "f", pointer).ok());
  for (const Status& status : {MappedFile::Open(folder / "f").status(), ReadFile(folder / "f").status(),
                               ReadJsonFile(folder / "f").status(), JsonlReader::Open(folder / "f").status()}) {
    EXPECT_THAT(Message(status),
                HasSubstr("f: is a Git LFS pointer, not the file itself of 1234 bytes; fetch it with: git lfs pull"));
  }
  // A text about pointers is a text.
  ASSERT_TRUE(WriteFileAtomic(folder / "f", pointer + std::string(1000, 'x')).ok());
  EXPECT_TRUE(MappedFile::Open(folder / "f").ok());
}

TEST(MappedFileTest, OutlivesTheFilesName) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "content").ok());
  StatusOr<MappedFile> file = MappedFile::Open(folder / "f");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(RemoveAll(folder / "f").ok());
  EXPECT_EQ(file->text(), "content");
}

TEST(MappedFileTest, EmptyFile) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "").ok());
  const StatusOr<MappedFile> file = MappedFile::Open(folder / "f");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size(), 0);
  EXPECT_TRUE(file->Slice(0, 0, "nothing").ok());
  EXPECT_FALSE(file->Slice(0, 1, "something").ok());
}

TEST(MappedFileTest, MovesOwnTheMappingOnce) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "a", "first").ok());
  ASSERT_TRUE(WriteFileAtomic(folder / "b", "second").ok());
  MappedFile a = MappedFile::Open(folder / "a").value();
  MappedFile b = MappedFile::Open(folder / "b").value();
  MappedFile c(std::move(a));
  EXPECT_EQ(c.text(), "first");
  c = std::move(b);
  EXPECT_EQ(c.text(), "second");
  EXPECT_EQ(c.path(), folder / "b");
}

TEST(MappedFileTest, WhatCannotBeMapped) {
  const TestFolder folder;
  const Status missing = MappedFile::Open(folder / "none").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(missing), HasSubstr(folder / "none"));
  const Status is_folder = MappedFile::Open(folder.path()).status();
  EXPECT_EQ(is_folder.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(is_folder), HasSubstr("a folder"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(Message(MappedFile::Open(folder / "pipe").status()), HasSubstr("pipe"));  // and does not wait for a writer
}

TEST(MappedFileTest, SliceRefusesWhatLiesOutside) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "0123456789").ok());
  const MappedFile file = MappedFile::Open(folder / "f").value();
  const auto slice = file.Slice(2, 3, "middle");
  ASSERT_TRUE(slice.ok());
  EXPECT_EQ(static_cast<char>((*slice)[0]), '2');
  EXPECT_EQ(slice->size(), 3u);
  EXPECT_TRUE(file.Slice(10, 0, "end").ok());
  for (const auto& [offset, length] :
       {std::pair<uint64_t, uint64_t>{11, 0}, {0, 11}, {9, 2}, {~uint64_t{0}, 2}, {2, ~uint64_t{0}}}) {
    const Status status = file.Slice(offset, length, "the weights").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(Message(status), HasSubstr("the weights"));
    EXPECT_THAT(Message(status), HasSubstr("10 bytes"));
  }
}

}  // namespace
}  // namespace gfn
