// What a user can get wrong, told clearly: what was found, what was expected and where; exit code 2 for usage and configuration,
// 1 for files that are missing or damaged; and no run folder that looks like a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "gflownet/base/file_util.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

class BadInput : public testing::Test {
 protected:
  // Trains; the run must be refused and leave nothing behind.
  std::string Refused(const std::vector<std::string>& keys, const testing::Matcher<int>& exit_code = AnyOf(1, 2)) {
    const GfnResult result = RunGfn(tiny_.folder(), TinyRun::Train("run", keys));
    EXPECT_THAT(result.exit_code, exit_code) << result.err;
    EXPECT_THAT(result.err, HasSubstr("gfn: "));
    EXPECT_THAT(result.err, Not(HasSubstr("terminate called")));
    EXPECT_FALSE(FolderExists(tiny_ / "run")) << "something was left behind";
    EXPECT_EQ(result.out, "");
    return result.err;
  }
  // Replaces a text of the recipe.
  void Edit(const std::string& from, const std::string& to) {
    std::string recipe = tiny_.Read("tiny.yaml");
    const size_t at = recipe.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    tiny_.Write("tiny.yaml", recipe.replace(at, from.size(), to));
  }
  const TinyRun tiny_;
};

TEST_F(BadInput, AllMistakesOfAConfigurationAtOnce) {
  Edit("lora: {rank: 2}", "lora: {rnk: 2, rank: 0}");                              // misspelt, out of range
  Edit("evaluation: {samples: 4}", "evaluation: {samples: many}\nwarm_strat: 3");  // ill-typed, unknown
  Edit("threads: 1", "threads: 1\nthreads: 2");                                    // twice
  Edit("prompt: \"{Y} {X}\"", "prompt: \"{X}\"");                                  // without {Y}
  const std::string message = Refused({}, 2);
  EXPECT_THAT(message, HasSubstr("tiny.yaml:4:"));
  EXPECT_THAT(message, HasSubstr("threads"));
}

TEST_F(BadInput, KeysAreNamedWithLineColumnAndTheKnownOnes) {
  Edit("lora: {rank: 2}", "lora: {rnk: 2, rank: 0}");
  Edit("evaluation: {samples: 4}", "evaluation: {samples: many}\nwarm_strat: 3");
  Edit("prompt: \"{Y} {X}\"", "prompt: \"{X}\"");
  const std::string message = Refused({"optimizer.learning_rate=-1"}, 2);
  EXPECT_THAT(message, AllOf(HasSubstr("unknown key 'rnk'; did you mean 'rank'?"), HasSubstr("known keys here: "),
                             HasSubstr("[lora.rank]")));
  EXPECT_THAT(message,
              AllOf(HasSubstr("[evaluation.samples]"), HasSubstr("unknown key 'warm_strat'; did you mean 'warm_start'?")));
  EXPECT_THAT(message, HasSubstr("--set optimizer.learning_rate=-1: [optimizer.learning_rate]"));
  EXPECT_THAT(message, testing::ContainsRegex("tiny.yaml:[0-9]+:[0-9]+: "));
}

TEST_F(BadInput, APromptWithoutTheEnding) {
  EXPECT_THAT(Refused({"task.prompt='Go on: {X}'"}, 2), AllOf(HasSubstr("task.prompt"), HasSubstr("{Y}")));
}

TEST_F(BadInput, WhatEscapesStandForIsCheckedBeforeAnythingIsDone) {
  Edit("prompt: \"{Y} {X}\"", "prompt: \"{Y}\\0{X}\"");
  EXPECT_THAT(Refused({}, 2), AllOf(HasSubstr("tiny.yaml:9:11: "), HasSubstr("NUL")));
  Edit("\\0", "\\_");  // yaml-cpp makes one byte of it, which is no UTF-8
  EXPECT_THAT(Refused({R"(name="a\0b")"}, 2), HasSubstr("NUL"));
  const GfnResult trained = RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=1"}));
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(tiny_.Read("run/resolved.yaml"), HasSubstr("prompt: \"{Y}\u00A0{X}\""));
}

TEST_F(BadInput, RankZero) { EXPECT_THAT(Refused({"lora.rank=0"}, 2), HasSubstr("[lora.rank]")); }

TEST_F(BadInput, ANameThatIsAPath) {
  EXPECT_THAT(Refused({"name=../../elsewhere"}, 2), AllOf(HasSubstr("[name]"), HasSubstr("../../elsewhere")));
}

TEST_F(BadInput, MoreThreadsThanAnyMachineHas) { EXPECT_THAT(Refused({"threads=100000"}, 2), HasSubstr("[threads]")); }

TEST_F(BadInput, MissingFiles) {
  EXPECT_THAT(Refused({"model.path=nowhere.gguf"}), HasSubstr("nowhere.gguf"));
  EXPECT_THAT(Refused({"model.tokenizer=nowhere.model"}), HasSubstr("nowhere.model"));
  EXPECT_THAT(Refused({"task.data.train=nowhere.jsonl"}), HasSubstr("nowhere.jsonl"));
  const GfnResult none = RunGfn(tiny_.folder(), {"train", "nowhere.yaml"});
  EXPECT_NE(none.exit_code, 0);
  EXPECT_THAT(none.err, HasSubstr("nowhere.yaml"));
}

TEST_F(BadInput, FilesThatAreCutOff) {
  const std::string model = tiny_.Read("model.bin"), tokenizer = tiny_.Read("tokenizer.gguf");
  tiny_.Write("model.bin", model.substr(0, model.size() / 2));
  EXPECT_THAT(Refused({}), HasSubstr("model.bin"));
  tiny_.Write("model.bin", model);
  tiny_.Write("tokenizer.gguf", tokenizer.substr(0, tokenizer.size() / 2));
  EXPECT_THAT(Refused({}), HasSubstr("tokenizer.gguf"));
  tiny_.Write("tokenizer.gguf", tokenizer);
  const std::string stories = tiny_.Read("stories.jsonl");
  tiny_.Write("stories.jsonl", stories.substr(0, stories.size() - 20));
  EXPECT_THAT(Refused({}), HasSubstr("stories.jsonl:3"));
}

TEST_F(BadInput, AWeightThatIsNotANumber) {
  std::string model = tiny_.Read("model.bin");
  const float nan = std::nanf("");
  std::memcpy(model.data() + 28 + 4 * 1000, &nan, sizeof nan);
  tiny_.Write("model.bin", model);
  EXPECT_THAT(Refused({}), AllOf(HasSubstr("model.bin"), HasSubstr("embed"), HasSubstr("nan")));
}

TEST_F(BadInput, AStoryThatDoesNotFitTheContext) {
  std::string x = "Lily saw";
  for (int i = 0; i < 70; ++i) x += " a dog and";
  tiny_.Write("stories.jsonl", tiny_.Read("stories.jsonl") + R"({"id": "the long one", "x": ")" + x +
                                   R"(.", "z": "It ran.", "y": "End."})" + "\n");
  EXPECT_THAT(Refused({}), AllOf(HasSubstr("the long one"), HasSubstr("64")));
}

TEST_F(BadInput, AStopThatTheTokenizerSplits) {
  EXPECT_THAT(Refused({"task.support.stop=['?!']"}, 2),
              AllOf(HasSubstr("task.support.stop"), HasSubstr("'?!' must be one token"), HasSubstr("? | !")));
}

TEST_F(BadInput, ATokenizerOfAnotherModel) {
  // 512 tokens of a model with 64.
  for (const char* name : {"config.json", "model.safetensors"}) {
    ASSERT_TRUE(MakeFolders(tiny_ / "other").ok());
    tiny_.Write(std::string("other/") + name,
                ReadFile(GFN_SOURCE_DIR "/tests/golden/models/tiny_llama/" + std::string(name)).value());
  }
  EXPECT_THAT(Refused({"model.path=other"}), AllOf(HasSubstr("512"), HasSubstr("64"), HasSubstr("do not belong together")));
}

// The tokenizer of the tiny run with one more token, for which the model of 512 has no row.
void AddToken(const TinyRun& tiny, const std::string& name, bool special) {
  std::string tokenizer = ReadFile(GFN_SOURCE_DIR "/tests/golden/tokenizer/stories260k_tokenizer.json").value();
  const std::string key = "\"added_tokens\":[";
  ASSERT_NE(tokenizer.find(key), std::string::npos);
  tiny.Write("more.json", tokenizer.insert(tokenizer.find(key) + key.size(), R"({"id": 512, "content": ")" + name +
                                                                                 R"(", "normalized": false, "special": )" +
                                                                                 (special ? "true" : "false") + "},"));
}

TEST_F(BadInput, ATokenWithoutARowInTheModelHarmsNobodyUntilATextNeedsIt) {
  AddToken(tiny_, "<pad>", true);
  const GfnResult result = RunGfn(tiny_.folder(), TinyRun::Train("run", {"model.tokenizer=more.json", "train.max_steps=1"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ASSERT_TRUE(RemoveAll(tiny_ / "run").ok());
  EXPECT_THAT(Refused({"model.tokenizer=more.json", "task.prompt='<pad>{Y} {X}'"}, 2),
              AllOf(HasSubstr("stories.jsonl:1"), HasSubstr("the prompt"), HasSubstr("'<pad>' (id 512)"), HasSubstr("no row")));
  EXPECT_THAT(Refused({"model.tokenizer=more.json", "task.support.stop=['<pad>']"}, 2),
              AllOf(HasSubstr("task.support.stop"), HasSubstr("'<pad>' (id 512)")));
  AddToken(tiny_, "big", false);  // found in any text
  EXPECT_THAT(Refused({"model.tokenizer=more.json"}, 2),
              AllOf(HasSubstr("example 'dog', x,"), HasSubstr("'big' (id 512)"), HasSubstr("Lily saw a big dog.")));
}

TEST_F(BadInput, AModelWithMoreRowsThanTheTokenizerHasTokensIsFine) {
  // 512 rows for some 280 tokens, as if they had been padded. Stories are simulated over all rows.
  const std::string folders = ReadFile(GFN_SOURCE_DIR "/tests/golden/tokenizer/folders.json").value();
  const size_t begin = folders.find(':') + 1, end = folders.find(",\n\"cases\"");
  tiny_.Write("small.json", folders.substr(begin, end - begin));
  tiny_.Write("stories.jsonl", R"({"x": "A dog.", "z": "It ran.", "y": "Ran."})");  // a token a byte, and 64 positions
  const GfnResult result = RunGfn(
      tiny_.folder(), TinyRun::Train("run", {"model.tokenizer=small.json", "train.max_steps=1", "task.simulation.attempts=19200",
                                             "train.conditions_per_step=1", "train.warm_start_conditions=1"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(BadInput, APromptThatBringsItsOwnBosIsSaid) {
  const std::string prompt = "task.prompt='<s>{Y} {X}'";
  const GfnResult train = RunGfn(tiny_.folder(), TinyRun::Train("run", {prompt, "train.max_steps=1"}));
  EXPECT_EQ(train.exit_code, 0);
  EXPECT_THAT(train.err, HasSubstr("not twice"));
  for (const char* command : {"describe", "doctor"}) {
    const GfnResult result = RunGfn(tiny_.folder(), {command, "tiny.yaml", "--set", prompt});
    EXPECT_THAT(result.out, AllOf(HasSubstr("<s> (1)"), HasSubstr("not twice"))) << command;
    EXPECT_THAT(RunGfn(tiny_.folder(), {command, "tiny.yaml"}).out, Not(HasSubstr("twice"))) << command;
  }
}

TEST_F(BadInput, ATokenizerThatIsNotTheModelsOwn) {
  // The model as a folder with a tokenizer, and another one of the same size: two tokens have changed places.
  ASSERT_EQ(RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=1"})).exit_code, 0);
  ASSERT_EQ(RunGfn(tiny_.folder(), {"merge", "run", "--out", "model"}).exit_code, 0);
  ASSERT_TRUE(RemoveAll(tiny_ / "run").ok());
  std::string tokenizer = ReadFile(GFN_SOURCE_DIR "/tests/golden/tokenizer/stories260k_tokenizer.json").value();
  tiny_.Write("model/tokenizer.json", tokenizer);
  ASSERT_EQ(
      RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=1", "model.path=model", "model.tokenizer=''"})).exit_code, 0)
      << "its own is fine";
  ASSERT_TRUE(RemoveAll(tiny_ / "run").ok());
  const std::string a = "\"<0x41>\":68", b = "\"<0x42>\":69";
  ASSERT_NE(tokenizer.find(a + "," + b), std::string::npos);
  tokenizer.replace(tokenizer.find(a + "," + b), a.size() + 1 + b.size(), "\"<0x42>\":68,\"<0x41>\":69");
  tiny_.Write("tokenizer.json", tokenizer);
  EXPECT_THAT(Refused({"model.path=model", "model.tokenizer=tokenizer.json"}, 2),
              HasSubstr("is not the tokenizer that model brings along"));
}

TEST_F(BadInput, ARunThatDivergesNamesTheStepAndKeepsItsCheckpoint) {
  const GfnResult result = RunGfn(tiny_.folder(), TinyRun::Train("run", {"optimizer.learning_rate=1e30"}));
  EXPECT_EQ(result.exit_code, 1) << "no mistake of usage";
  EXPECT_THAT(result.err, AllOf(HasSubstr("the last checkpoint is run/checkpoints/step_000000: step 2: "), HasSubstr("NaN")));
}

TEST_F(BadInput, WhatCannotBePrintedIsAnError) {
  ASSERT_EQ(RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=1"})).exit_code, 0);
  const std::string gfn = GFN_BINARY;
  for (const char* command : {" sample run --input stories.jsonl --num 1", " describe run", " eval run --samples 2"}) {
    const std::string line = std::string("cd ") + tiny_.folder() + " && " + gfn + command + " >/dev/full 2>err";
    EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), 1) << command;
    EXPECT_THAT(tiny_.Read("err"), HasSubstr("standard output: cannot write")) << command;
  }
}

TEST_F(BadInput, ArgumentsOutOfRangeAreRefusedBeforeAnythingIsDone) {
  ASSERT_EQ(RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=1"})).exit_code, 0);
  const std::vector<std::string> sample = {"sample", "run", "--input", "stories.jsonl"}, eval = {"eval", "run"};
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> wrong = {
      {sample, {"--temperature", "inf"}}, {sample, {"--temperature", "nan"}}, {sample, {"--top-k", "-1"}},
      {sample, {"--top-p", "0"}},         {sample, {"--num", "0"}},           {sample, {"--seed", "-1"}},
      {eval, {"--samples", "-1"}},        {eval, {"--show", "-1"}},           {eval, {"--max-conditions", "-1"}},
      {{"bench"}, {"--threads", "-1"}}};
  for (auto [arguments, more] : wrong) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    const GfnResult result = RunGfn(tiny_.folder(), arguments);
    EXPECT_EQ(result.exit_code, 2) << more[0] << " " << more[1] << ": " << result.err;
    EXPECT_THAT(result.err, HasSubstr(more[0]));
    EXPECT_EQ(result.out, "");
  }
  EXPECT_THAT(RunGfn(tiny_.folder(), {"merge", "run", "--out", "run"}).err, HasSubstr("run: is a run folder"));
  const GfnResult nowhere = RunGfn(tiny_.folder(), {"eval", "run", "--json", "nowhere/numbers.json"});
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_THAT(nowhere.err, AllOf(HasSubstr("nowhere/numbers.json"), Not(HasSubstr("evaluating"))));
}

TEST_F(BadInput, DamageInARunFolderIsDescribed) {
  ASSERT_EQ(RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=3"})).exit_code, 0);
  tiny_.Write("run/resolved.yaml", "seed: 3\nseed: \xFF\n");
  tiny_.Write("run/metrics.jsonl", "garbage\n");
  tiny_.Write("run/checkpoints/step_000003/trainer.json", "{}");
  const GfnResult described = RunGfn(tiny_.folder(), {"describe", "run"});
  EXPECT_EQ(described.exit_code, 0) << described.err;
  EXPECT_THAT(described.out, AllOf(HasSubstr("damaged: run/resolved.yaml:2:"), HasSubstr("metrics.jsonl:1: not valid JSON"),
                                   HasSubstr("trainer.json: has 2 bytes, the manifest says")));
  const GfnResult resumed = RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=4"}, true));
  EXPECT_NE(resumed.exit_code, 0);
  EXPECT_THAT(resumed.err, HasSubstr("run/resolved.yaml:2:"));
}

TEST_F(BadInput, ARunOfAnotherConfigurationIsNotResumed) {
  ASSERT_EQ(RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=3"})).exit_code, 0);
  const std::string before = RunState(tiny_ / "run", 3);
  const GfnResult refused = RunGfn(tiny_.folder(), TinyRun::Train("run", {"lora.alpha=9", "seed=4"}, true));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("lora.alpha: "), HasSubstr("-> 9"), HasSubstr("seed: 3 -> 4"), HasSubstr("cannot change")));
  EXPECT_EQ(RunState(tiny_ / "run", 3), before);
  // A key that may change is recorded.
  const GfnResult changed = RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=4"}, true));
  EXPECT_EQ(changed.exit_code, 0) << changed.err;
  EXPECT_THAT(tiny_.Read("run/history.jsonl"),
              AllOf(HasSubstr("config_changed"), HasSubstr(R"("key":"train.max_steps","new":"4","old":"3")")));
  EXPECT_THAT(tiny_.Read("run/resolved.yaml"), HasSubstr("max_steps: 4"));
}

TEST_F(BadInput, ARunWhoseModelWasReplacedIsRefused) {
  ASSERT_EQ(RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=3"})).exit_code, 0);
  tiny_.Write("model.bin", TinyModel(2));  // of the same shape
  const auto other = AllOf(HasSubstr("was trained on something else"), HasSubstr("weights: "));
  const GfnResult resumed = RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=6"}, true));
  EXPECT_EQ(resumed.exit_code, 1);
  EXPECT_THAT(resumed.err, other);
  const GfnResult sampled = RunGfn(tiny_.folder(), {"sample", "run", "--input", "stories.jsonl"});
  EXPECT_EQ(sampled.exit_code, 1);
  EXPECT_THAT(sampled.err, other);
  EXPECT_EQ(sampled.out, "");
}

}  // namespace
}  // namespace gfn
