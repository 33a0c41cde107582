// What gfn leaves and removes in folders, and what it says of a run whose settings or data are not what they were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "gflownet/base/file_util.h"
#include "gflownet/train/checkpoint.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RunFolderUse : public testing::Test {
 protected:
  GfnResult Train(const std::string& run, const std::vector<std::string>& keys = {}, bool resume = false) const {
    return RunGfn(tiny_.folder(), TinyRun::Train(run, keys, resume));
  }
  std::vector<std::string> Names(const std::string& folder) const { return ListFolder(tiny_ / folder).value(); }
  void Edit(const std::string& name, const std::string& from, const std::string& to) const {
    std::string text = tiny_.Read(name);
    ASSERT_NE(text.find(from), std::string::npos) << text;
    tiny_.Write(name, text.replace(text.find(from), from.size(), to));
  }
  const TinyRun tiny_;
};

TEST_F(RunFolderUse, AFailedStartLeavesALinkAndTheFoldersThatWereThere) {
  ASSERT_TRUE(MakeFolders(tiny_ / "scratch").ok());
  std::filesystem::create_symlink(tiny_ / "scratch", tiny_ / "run");
  EXPECT_NE(Train("run", {"model.path=nowhere"}).exit_code, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(tiny_ / "run"));
  EXPECT_THAT(Names("scratch"), IsEmpty());
  EXPECT_EQ(Train("run", {"train.max_steps=1"}).exit_code, 0) << "the mended one starts in the same place";
  EXPECT_TRUE(FileExists(tiny_ / "scratch/adapter/adapter_config.json"));
  EXPECT_NE(Train("deep/er/run", {"model.path=nowhere"}).exit_code, 0);
  EXPECT_FALSE(FolderExists(tiny_ / "deep")) << "what was made for the run goes with it";
}

TEST_F(RunFolderUse, AForeignFolderIsLeftAsItWas) {
  ASSERT_TRUE(MakeFolders(tiny_ / "thesis").ok());
  tiny_.Write("thesis/lock", "combination: 4711\n");
  std::filesystem::create_symlink(tiny_ / "thesis", tiny_ / "link");
  std::filesystem::create_symlink(tiny_ / "away", tiny_ / "dangling");
  EXPECT_THAT(Train("thesis").err, HasSubstr("but this one has: lock"));
  EXPECT_EQ(tiny_.Read("thesis/lock"), "combination: 4711\n");
  ASSERT_TRUE(MakeFolders(tiny_ / "copied").ok());
  tiny_.Write("copied/resolved.yaml", tiny_.Read("tiny.yaml"));
  tiny_.Write("copied/metrics.jsonl", "mine");
  EXPECT_THAT(Train("copied").err, HasSubstr("has a resolved.yaml, but no history.jsonl"));
  EXPECT_THAT(Names("copied"), ElementsAre("metrics.jsonl", "resolved.yaml"));
  tiny_.Write("thesis/chapter.tex", "x");
  EXPECT_THAT(Train("link").err, HasSubstr("but this one has: chapter.tex, lock"));
  EXPECT_THAT(Names("thesis"), ElementsAre("chapter.tex", "lock"));
  EXPECT_THAT(Train(".").err, HasSubstr("a run needs a folder of its own"));
  EXPECT_FALSE(FileExists(tiny_ / "lock"));
  EXPECT_THAT(Train("dangling").err, HasSubstr("dangling: is a symbolic link to " + (tiny_ / "away") + ", which does not exist"));
  EXPECT_FALSE(FolderExists(tiny_ / "away"));
  EXPECT_TRUE(std::filesystem::is_symlink(tiny_ / "dangling"));
}

TEST_F(RunFolderUse, AKilledRunStartsAgainBesideTheFilesOfTheUser) {
  {
    // Its first evaluation would take hours.
    GfnProcess process(tiny_.folder(), TinyRun::Train("run", {"evaluation.samples=100000000", "task.simulation.attempts=0",
                                                              "train.warm_start_steps=0"}));
    ASSERT_TRUE(process.WaitFor([&] { return FileExists(tiny_ / "run/metrics.jsonl"); })) << process.Err();
    process.Signal(SIGKILL);
    process.Wait();
  }
  tiny_.Write("run/notes.txt", "what I saw in this run");
  const std::filesystem::path copy = tiny_ / "copy";
  std::filesystem::copy(tiny_ / "run", copy, std::filesystem::copy_options::recursive);
  const GfnResult again = Train("copy", {"train.max_steps=1"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("ended before its first checkpoint, so it starts again"));
  EXPECT_EQ(tiny_.Read("copy/notes.txt"), "what I saw in this run");
  EXPECT_TRUE(FileExists(tiny_ / "copy/adapter/adapter_config.json"));
  // One that fails again is removed, without the user's file.
  EXPECT_NE(Train("run", {"model.path=nowhere"}).exit_code, 0);
  EXPECT_THAT(Names("run"), ElementsAre("notes.txt"));
  EXPECT_EQ(tiny_.Read("run/notes.txt"), "what I saw in this run");
}

TEST_F(RunFolderUse, EditedSettingsChangeNothingAndAreNamed) {
  ASSERT_EQ(Train("run", {"train.max_steps=3"}).exit_code, 0);
  Edit("run/resolved.yaml", "seed: 3\n", "seed: 4\n");
  const auto named = AllOf(HasSubstr("run/resolved.yaml is not what"), HasSubstr("seed: 3 -> 4"));
  EXPECT_THAT(RunGfn(tiny_.folder(), {"sample", "run", "--input", "stories.jsonl"}).err, named);
  EXPECT_THAT(RunGfn(tiny_.folder(), {"eval", "run", "--samples", "2"}).err, named);
  EXPECT_THAT(RunGfn(tiny_.folder(), {"describe", "run"}).out, HasSubstr("seed: 3 -> 4"));
  // The edited file itself as the configuration of a resume: the run has another seed.
  const GfnResult edited = RunGfn(tiny_.folder(), {"train", "run/resolved.yaml", "--out", "run", "--resume"});
  EXPECT_EQ(edited.exit_code, 2);
  EXPECT_THAT(edited.err, HasSubstr("seed: 3 -> 4"));
  const GfnResult resumed = Train("run", {"train.max_steps=4"}, true);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, AllOf(named, HasSubstr("from here on with train.max_steps: 3 -> 4")));
  EXPECT_THAT(tiny_.Read("run/resolved.yaml"), HasSubstr("seed: 3\n"));
  EXPECT_THAT(RunGfn(tiny_.folder(), {"sample", "run", "--input", "stories.jsonl"}).err, Not(HasSubstr("resolved.yaml")));
}

TEST_F(RunFolderUse, ASupportThatIsMadeFromDataBelongsToTheRun) {
  const std::vector<std::string> keys = {"task.support.last_from_data=true", "train.max_steps=3"};
  ASSERT_EQ(Train("run", keys).exit_code, 0);
  tiny_.Write("stories.jsonl",
              tiny_.Read("stories.jsonl") + R"({"id": "new", "x": "The cat ran fast.", "y": "It hid under it."})" + "\n");
  const auto other =
      AllOf(HasSubstr("was trained on something else"), HasSubstr("task.support.last_from_data of task.data.train: "));
  EXPECT_THAT(Train("run", keys, true).err, other);
  const GfnResult sampled = RunGfn(tiny_.folder(), {"sample", "run", "--input", "stories.jsonl"});
  EXPECT_EQ(sampled.exit_code, 1);
  EXPECT_THAT(sampled.err, other);
}

TEST_F(RunFolderUse, SeveralLinesMayHaveTheSameTexts) {
  tiny_.Write("stories.jsonl", tiny_.Read("stories.jsonl") +
                                   R"({"id": "again", "x": "Lily saw a big dog.", "z": "It ran.", "y": "They played all day."})" +
                                   "\n");
  const GfnResult trained = Train("run", {"train.max_steps=4"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("stories.jsonl:4 has x and y of stories.jsonl:1; 4 lines are 3 conditions"));
  const GfnResult sampled = RunGfn(tiny_.folder(), {"sample", "run", "--input", "stories.jsonl", "--num", "1"});
  EXPECT_EQ(sampled.exit_code, 0) << sampled.err;
  EXPECT_THAT(sampled.out, AllOf(HasSubstr(R"("id":"dog")"), HasSubstr(R"("id":"again")")));
  const GfnResult measured = RunGfn(tiny_.folder(), {"eval", "run", "--samples", "2", "--show", "4"});
  EXPECT_EQ(measured.exit_code, 0) << measured.err;
  EXPECT_THAT(measured.out, AllOf(HasSubstr("4 stories"), HasSubstr("The dog was happy."), HasSubstr("It ran.")));
}

TEST_F(RunFolderUse, WithoutUnseenTextsTheLastCheckpointCounts) {
  const GfnResult trained = Train("run", {"task.data.validation=", "train.max_steps=6"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, AllOf(HasSubstr("task.data.validation is empty"), HasSubstr("choose no best checkpoint"),
                                 HasSubstr("so the last step is exported"), HasSubstr("adapter of step 6")));
  EXPECT_THAT(tiny_.Read("run/metrics.jsonl"), AllOf(HasSubstr("train.elbo"), Not(HasSubstr("score"))));
}

}  // namespace
}  // namespace gfn
