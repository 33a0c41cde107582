#include "gflownet/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "gflownet/base/file_util.h"
#include "gflownet/train/checkpoint_files.h"
#include "gflownet/train/toy_loop.h"

namespace gfn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Status SaveTwoFiles(const std::string& folder) {
  RETURN_IF_ERROR(WriteFileAtomic(JoinPath(folder, "a.txt"), "hello"));
  RETURN_IF_ERROR(MakeFolders(JoinPath(folder, "sub")));
  return WriteFileAtomic(JoinPath(folder, "sub/b.txt"), "world");
}

// Checkpoints of these steps in a new folder.
std::string MakeCheckpoints(const std::vector<int64_t>& steps, std::optional<BestScore> best = {}) {
  const std::string folder = NewFolder("checkpoints");
  EXPECT_TRUE(MakeFolders(folder).ok());
  for (const int64_t step : steps) {
    CheckpointManifest manifest;
    manifest.step = step;
    manifest.config = "lr: 0.001\n";
    manifest.metrics_bytes = 10 * step;
    manifest.environment = {{"cpu", "x"}, {"threads", "2"}};
    manifest.best = best;
    const auto path = WriteCheckpoint(folder, manifest, SaveTwoFiles);
    EXPECT_TRUE(path.ok()) << path.status();
  }
  return folder;
}

std::vector<std::string> Names(const std::string& folder) { return ListFolder(folder).value(); }

void WriteOver(const std::string& path, size_t at, char value) {
  std::string content = ReadFile(path).value();
  content[at] = value;
  ASSERT_TRUE(WriteFileAtomic(path, content).ok());
}

TEST(CheckpointTest, TheManifestComesBack) {
  const std::string folder = MakeCheckpoints({123}, BestScore{100, -1.25});
  const auto manifest = VerifyCheckpoint(folder + "/step_000123");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->step, 123);
  EXPECT_EQ(manifest->config, "lr: 0.001\n");
  EXPECT_EQ(manifest->metrics_bytes, 1230);
  EXPECT_EQ(manifest->environment.at("threads"), "2");
  EXPECT_EQ(manifest->best->score, -1.25);
  ASSERT_EQ(manifest->files.size(), 2u);
  EXPECT_EQ(manifest->files[1].name, "sub/b.txt");
  EXPECT_EQ(manifest->files[1].bytes, 5);
  EXPECT_THAT(Names(folder), ElementsAre("step_000123"));
}

TEST(CheckpointTest, TheFormatBeforeIsStillRead) {
  // Step 4 of a ToyLoop, as format 1 stored it.
  const std::string checkpoint = GFN_SOURCE_DIR "/tests/golden/train/format_1/step_000004";
  const auto manifest = VerifyCheckpoint(checkpoint);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->format, 1);
  EXPECT_EQ(manifest->step, 4);
  EXPECT_TRUE(manifest->identity.empty()) << "format 1 did not record it";
  EXPECT_EQ(IdentityDifference(*manifest, {{"weights", "any"}}), "");
  ToyLoop loop;
  const Status loaded = loop.Load(checkpoint);
  ASSERT_TRUE(loaded.ok()) << loaded;
  EXPECT_EQ(loop.num_steps(), 4);
  EXPECT_TRUE(loop.Step().ok());
}

TEST(CheckpointTest, IdentityIsComparedWhereItWasRecorded) {
  CheckpointManifest manifest;
  manifest.identity = {{"weights", "a"}, {"tokenizer", "t"}};
  EXPECT_EQ(IdentityDifference(manifest, {{"weights", "a"}, {"tokenizer", "t"}, {"new", "n"}}), "");
  EXPECT_EQ(IdentityDifference(manifest, {{"weights", "b"}, {"tokenizer", "t"}}), "weights: a -> b");
}

TEST(CheckpointTest, TheSameContentGivesTheSameBytes) {
  const std::string first = FolderContent(MakeCheckpoints({1, 2}, BestScore{1, 0.1}));
  EXPECT_EQ(first, FolderContent(MakeCheckpoints({1, 2}, BestScore{1, 0.1})));
}

TEST(CheckpointTest, AFailedSaveLeavesNothingAndTheOlderOneStands) {
  const std::string folder = MakeCheckpoints({1});
  CheckpointManifest manifest;
  for (const int64_t step : {1, 2}) {
    manifest.step = step;
    const auto path = WriteCheckpoint(folder, manifest, [](const std::string& into) {
      RETURN_IF_ERROR(WriteFileAtomic(JoinPath(into, "a.txt"), "half"));
      return ResourceExhausted("no space left");
    });
    EXPECT_THAT(Message(path.status()), HasSubstr("no space left"));
    EXPECT_THAT(Names(folder), ElementsAre("step_000001"));
    EXPECT_TRUE(VerifyCheckpoint(folder + "/step_000001").ok());
  }
}

TEST(CheckpointTest, TheSameStepIsReplacedAsAWhole) {
  const std::string folder = MakeCheckpoints({5});
  CheckpointManifest manifest;
  manifest.step = 5;
  ASSERT_TRUE(WriteCheckpoint(folder, manifest, [](const std::string& into) {
                return WriteFileAtomic(JoinPath(into, "new.txt"), "new");
              }).ok());
  EXPECT_THAT(Names(folder), ElementsAre("step_000005"));
  EXPECT_THAT(Names(folder + "/step_000005"), ElementsAre("manifest.json", "new.txt"));
  EXPECT_TRUE(VerifyCheckpoint(folder + "/step_000005").ok());
}

TEST(CheckpointTest, ADamagedOneIsRefusedWithItsReasonAndTheOneBeforeIsUsed) {
  struct Damage {
    const char* reason;
    std::function<void(const std::string&)> apply;
  };
  const std::vector<Damage> damages = {
      {"a.txt: its content has checksum", [](const std::string& c) { WriteOver(c + "/a.txt", 0, 'H'); }},
      {"sub/b.txt: has 4 bytes, the manifest says 5",
       [](const std::string& c) { ASSERT_TRUE(TruncateFile(c + "/sub/b.txt", 4).ok()); }},
      {"sub/b.txt: is missing", [](const std::string& c) { ASSERT_TRUE(RemoveAll(c + "/sub/b.txt").ok()); }},
      {"manifest.json", [](const std::string& c) { ASSERT_TRUE(RemoveAll(c + "/manifest.json").ok()); }},
      {"manifest.json", [](const std::string& c) { ASSERT_TRUE(TruncateFile(c + "/manifest.json", 100).ok()); }},
      {"manifest.json", [](const std::string& c) { ASSERT_TRUE(TruncateFile(c + "/manifest.json", 0).ok()); }},
      {"holds step 10",
       [](const std::string& c) {
         ASSERT_TRUE(RemoveAll(c).ok());
         ASSERT_EQ(rename((ParentFolder(c) + "/step_000010").c_str(), c.c_str()), 0);
       }},
      {"has format 3, this program reads formats 1 to 2",
       [](const std::string& c) {
         std::string text = ReadFile(c + "/manifest.json").value();
         text.replace(text.find("\"format\": 2"), 11, "\"format\": 3");
         ASSERT_TRUE(WriteFileAtomic(c + "/manifest.json", text).ok());
       }},
  };
  for (const Damage& damage : damages) {
    const std::string folder = MakeCheckpoints({9, 10, 11});
    damage.apply(folder + "/step_000011");
    const auto found = LatestValidCheckpoint(folder);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_LT(found->manifest.step, 11);
    ASSERT_EQ(found->rejected.size(), 1u);
    EXPECT_EQ(found->rejected[0].path, folder + "/step_000011");
    EXPECT_THAT(found->rejected[0].reason, HasSubstr(damage.reason));
  }
}

TEST(CheckpointTest, NoFlippedBitOfTheManifestGoesUnnoticed) {
  const std::string folder = MakeCheckpoints({1}, BestScore{1, 2.5});
  const std::string checkpoint = folder + "/step_000001";
  const std::string path = checkpoint + "/manifest.json";
  const std::string original = ReadFile(path).value();
  const CheckpointManifest truth = VerifyCheckpoint(checkpoint).value();
  for (size_t i = 0; i < original.size(); ++i) {
    std::string flipped = original;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    std::ofstream(path, std::ios::binary) << flipped;
    const auto manifest = ReadManifest(checkpoint);
    // White space may turn into other white space; nothing that is read may differ.
    if (!manifest.ok()) continue;
    EXPECT_EQ(manifest->step, truth.step) << "byte " << i;
    EXPECT_EQ(manifest->config, truth.config) << "byte " << i;
    EXPECT_EQ(manifest->metrics_bytes, truth.metrics_bytes) << "byte " << i;
    EXPECT_EQ(manifest->files[0].digest, truth.files[0].digest) << "byte " << i;
    EXPECT_EQ(manifest->best->score, truth.best->score) << "byte " << i;
  }
}

TEST(CheckpointTest, AManifestCannotPointOutOfItsFolder) {
  const std::string folder = MakeCheckpoints({1});
  for (const char* name : {"../step_000001/a.txt", "/etc/passwd", "sub/../a.txt", "", "sub//b.txt"}) {
    // Made by hand with a right checksum: Write does not check what it is given.
    CheckpointManifest manifest;
    manifest.step = 2;
    ASSERT_TRUE(WriteCheckpoint(folder, manifest, SaveTwoFiles).ok());
    manifest.files.push_back({name, 5, 0});
    ASSERT_TRUE(WriteManifest(folder + "/step_000002", manifest).ok());
    EXPECT_THAT(Message(VerifyCheckpoint(folder + "/step_000002").status()), HasSubstr("outside of the checkpoint"));
  }
}

TEST(CheckpointTest, NoneAndAllDamagedAreDifferentErrors) {
  const std::string empty = MakeCheckpoints({});
  EXPECT_EQ(LatestValidCheckpoint(empty).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LatestValidCheckpoint(empty + "/nothing").status().code(), absl::StatusCode::kNotFound);
  const std::string folder = MakeCheckpoints({1, 2});
  for (const char* step : {"/step_000001", "/step_000002"}) ASSERT_TRUE(RemoveAll(folder + step + "/a.txt").ok());
  const auto found = LatestValidCheckpoint(folder);
  EXPECT_EQ(found.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(found.status()), HasSubstr("step_000002/a.txt: is missing; "));
}

TEST(CheckpointTest, PruneKeepsTheNewestAndTheirBest) {
  const std::string folder = MakeCheckpoints({1, 2, 3, 4, 1000000, 9999999}, BestScore{2, 1});
  ASSERT_TRUE(PruneCheckpoints(folder, 2).ok());
  EXPECT_THAT(Names(folder), ElementsAre("step_000002", "step_1000000", "step_9999999"));
  EXPECT_EQ(BestCheckpoint(folder)->path, folder + "/step_000002");
  ASSERT_TRUE(RemoveAll(folder + "/step_000002/a.txt").ok());
  EXPECT_THAT(Message(BestCheckpoint(folder).status()), HasSubstr("a.txt: is missing"));
}

TEST(CheckpointTest, PruneLeavesACheckpointThatSomebodyHasPutAFileInto) {
  const std::string folder = MakeCheckpoints({1, 2, 3, 4});
  ASSERT_TRUE(WriteFileAtomic(folder + "/step_000002/notes.txt", "the good one").ok());
  ASSERT_TRUE(PruneCheckpoints(folder, 1).ok());
  EXPECT_THAT(Names(folder), ElementsAre("step_000002", "step_000004"));
  EXPECT_TRUE(VerifyCheckpoint(folder + "/step_000002").ok());
}

TEST(CheckpointTest, WithoutAnEvaluationTheLatestIsTheBest) {
  EXPECT_EQ(BestCheckpoint(MakeCheckpoints({3, 4}))->manifest.step, 4);
}

TEST(CheckpointTest, TheListTellsTheHealthOfEach) {
  const std::string folder = MakeCheckpoints({1, 2, 3}, BestScore{2, 1});
  ASSERT_TRUE(RemoveAll(folder + "/step_000003/a.txt").ok());
  ASSERT_TRUE(MakeFolders(folder + "/unfinished_step_000004").ok());
  const auto list = ListCheckpoints(folder);
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 3u);
  EXPECT_TRUE((*list)[0].status.ok());
  EXPECT_EQ((*list)[0].bytes, 10);
  EXPECT_FALSE((*list)[0].is_best);
  EXPECT_TRUE((*list)[1].is_best);
  EXPECT_THAT(Message((*list)[2].status), HasSubstr("is missing"));
}

TEST(CheckpointTest, UnfinishedOnesAreRemovedAndDamagedOnesSetAside) {
  const std::string folder = MakeCheckpoints({1, 2});
  ASSERT_TRUE(MakeFolders(folder + "/unfinished_step_000003/sub").ok());
  ASSERT_TRUE(RemoveUnfinishedCheckpoints(folder).ok());
  EXPECT_EQ(SetAside(folder + "/step_000002").value(), folder + "/rejected_step_000002");
  EXPECT_THAT(Names(folder), ElementsAre("rejected_step_000002", "step_000001"));
  EXPECT_EQ(LatestValidCheckpoint(folder)->manifest.step, 1);
}

}  // namespace
}  // namespace gfn
