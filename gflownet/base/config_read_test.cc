#include "gflownet/base/config_reader.h"
#include "gflownet/base/config_test_structs.h"
#include "gflownet/base/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn::config_test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

StatusOr<Recipe> Read(std::string_view text, const std::vector<std::string>& overrides = {}) {
  return ReadConfigText<Recipe>(text, "run.yaml", overrides);
}

Recipe Good(std::string_view text, const std::vector<std::string>& overrides = {}) {
  const StatusOr<Recipe> run = Read(text, overrides);
  EXPECT_TRUE(run.ok()) << run.status();
  return run.ok() ? *run : Recipe{};
}

// The whole message for a text to which "data: d" is added.
std::string Error(std::string_view text, const std::vector<std::string>& overrides = {}) {
  const Status status = Read(std::string(text) + "\ndata: d\n", overrides).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return Message(status);
}

std::string SetError(const std::string& override_text) { return Error("", {override_text}); }

struct Adapted {
  std::vector<std::string> targets = {"a", "b"};
  template <class V>
  void Visit(V& v) {
    v("targets", targets, "layers with an adapter", OneForList());
  }
};

TEST(ConfigReadTest, OneValueStandsForAListWhereTheFieldAllowsIt) {
  const auto targets = [](const std::string& text, const std::vector<std::string>& overrides = {}) {
    return ReadConfigText<Adapted>(text, "run.yaml", overrides).value().targets;
  };
  EXPECT_THAT(targets("targets: all"), ElementsAre("all"));
  EXPECT_THAT(targets("targets: [all]"), ElementsAre("all"));
  EXPECT_THAT(targets("targets: [x, y]", {"targets=all"}), ElementsAre("all"));
  EXPECT_THAT(Message(ReadConfigText<Adapted>("targets: {a: 1}", "run.yaml").status()), HasSubstr("expected a list"));
}

TEST(ConfigReadTest, DefaultsStayWhereNothingIsSaid) {
  Recipe expected;
  expected.data = "d.jsonl";
  EXPECT_EQ(Good("data: d.jsonl"), expected);
}

TEST(ConfigReadTest, EveryKindOfField) {
  const Recipe run = Good(R"(
data: "a b"
lr: 5e-4
seed: -7
compat: true
schedule: constant
clip: 1
note: 'x: y'
targets: [k_proj]
betas:
  - 0.5
  - 0
lengths: {max_len: 16}
eval_lengths:
  min_len: 3
stages:
  - name: warm
    steps: 10
  - {name: main}
objective: {kind: tb, init: 3, lr_log_z: 2}
extra:
  - kind: subtb
    lambda: 1
)");
  EXPECT_EQ(run.data, "a b");
  EXPECT_EQ(run.lr, 5e-4);
  EXPECT_EQ(run.seed, -7);
  EXPECT_TRUE(run.compat);
  EXPECT_EQ(run.schedule, Schedule::kConstant);
  EXPECT_EQ(run.clip, 1.0);
  EXPECT_EQ(run.note, "x: y");
  EXPECT_THAT(run.targets, ElementsAre("k_proj"));
  EXPECT_THAT(run.betas, ElementsAre(0.5, 0));
  EXPECT_EQ(run.lengths, (Lengths{1, 16}));
  EXPECT_EQ(run.eval_lengths, (Lengths{3, 10}));
  EXPECT_THAT(run.stages, ElementsAre(Stage{"warm", 10}, Stage{"main", 1}));
  EXPECT_EQ(std::get<Tb>(run.objective), (Tb{2, "3"}));
  EXPECT_EQ(std::get<SubTb>(run.extra.at(0)), SubTb{1});
}

TEST(ConfigReadTest, AllMistakesAtOnceInTheOrderOfTheFile) {
  const Status status = Read(R"(data: d
lr: fast
lamda: 3
betas: [0.5, 1.0]
lengths: {min_len: 5, max_len: 3}
objective:
  kind: subtb
  lamda: 1
lr: 2
)",
                             {"seed=x", "schedule=cosin"})
                            .status();
  EXPECT_EQ(
      Message(status),
      "run.yaml:2:5: [lr] expected a finite number, found 'fast'\n"
      "run.yaml:3:1: [lamda] unknown key 'lamda'; known keys here: data, lr, seed, compat, schedule, clip, note, targets, betas, "
      "lengths, eval_lengths, stages, objective, extra\n"
      "run.yaml:4:14: [betas.1] must be in [0, 1), found 1\n"
      "run.yaml:5:32: [lengths.max_len] is 3, but must be at least min_len (5)\n"
      "run.yaml:8:3: [objective.lamda] unknown key 'lamda'; did you mean 'lambda'? known keys here: kind, lambda\n"
      "run.yaml:9:1: [lr] key 'lr' is given twice (first in line 2)\n"
      "--set seed=x: [seed] expected an integer, found 'x'\n"
      "--set schedule=cosin: [schedule] unknown value 'cosin'; did you mean 'cosine'? choices: constant, linear, cosine");
}

TEST(ConfigReadTest, AKeyAtTheWrongPlaceIsPointedOut) {
  EXPECT_THAT(Error("max_len: 3"), HasSubstr("unknown key 'max_len'; known keys here: data"));
  EXPECT_THAT(Error("max_len: 3"), HasSubstr("; there is a key 'lengths.max_len'"));
  EXPECT_THAT(Error("lengths: {seed: 3}"), HasSubstr("; there is a key 'seed'"));
}

TEST(ConfigReadTest, MissingRequiredKeys) {
  EXPECT_EQ(Message(Read("").status()), "run.yaml: [data] missing required key 'data': JSON lines file");
  EXPECT_EQ(Message(Read("stages:\n  - steps: 2\ndata: d").status()),
            "run.yaml:2:5: [stages.0.name] missing required key 'name': name of the stage");
  EXPECT_EQ(Message(Read("data: d\nobjective: {kind: tb}").status()),
            "run.yaml:2:12: [objective.init] missing required key 'init': first value of log Z");
  EXPECT_TRUE(Read("", {"data=d"}).ok());
}

TEST(ConfigReadTest, IllTypedValues) {
  EXPECT_EQ(Error("lr: \"1\""), "run.yaml:1:5: [lr] expected a finite number, found the text \"1\"");
  for (const char* value : {".inf", ".nan", "nan", "inf", "1e999", "0x1p3", "1,5", "", "~", "[1]", "{a: 1}", "true"}) {
    EXPECT_THAT(Error(std::string("lr: ") + value), HasSubstr("[lr] expected a finite number, found")) << value;
  }
  for (const char* value : {"1.0", "1e3", "9223372036854775808", "010", "0x10", "'1'", "", "many", "[1]"}) {
    EXPECT_THAT(Error(std::string("seed: ") + value), HasSubstr("[seed] expected an integer, found")) << value;
  }
  EXPECT_THAT(Error("stages: [{name: a, steps: 3000000000}]"),
              HasSubstr("[stages.0.steps] expected an integer of -2147483648 .. 2147483647, found '3000000000'"));
  for (const char* value : {"yes", "True", "1", "'true'", "", "[true]"}) {
    EXPECT_THAT(Error(std::string("compat: ") + value), HasSubstr("[compat] expected true or false, found")) << value;
  }
  EXPECT_THAT(Error("targets: q_proj"), HasSubstr("[targets] expected a list ([a, b]), found 'q_proj'"));
  EXPECT_THAT(Error("targets: [[a]]"), HasSubstr("[targets.0] expected a text (\"\" for an empty one), found a list"));
  EXPECT_THAT(Error("targets: [~]"), HasSubstr("[targets.0] expected a text (\"\" for an empty one), found nothing (null)"));
  EXPECT_THAT(Error("lengths: 3"), HasSubstr("[lengths] expected a map of keys, found '3'"));
  EXPECT_THAT(Error("lengths:"), HasSubstr("[lengths] expected a map of keys, found nothing (null)"));
  EXPECT_THAT(Error("schedule: [linear]"), HasSubstr("[schedule] expected one of constant, linear, cosine, found a list"));
  EXPECT_THAT(Error("{a: 1}: 2"), HasSubstr("expected a key, found a map of keys"));
  EXPECT_THAT(Message(Read("- a\n- b\n").status()), HasSubstr("run.yaml:1:1: expected a map of keys, found a list\n"));
}

TEST(ConfigReadTest, Limits) {
  EXPECT_THAT(Error("lr: 0"), HasSubstr("run.yaml:1:5: [lr] must be > 0, found 0"));
  EXPECT_THAT(Error("clip: -1"), HasSubstr("[clip] must be > 0, found -1"));
  EXPECT_THAT(Error("lengths: {min_len: -1}"), HasSubstr("[lengths.min_len] must be >= 0, found -1"));
  EXPECT_THAT(Error("targets: []"), HasSubstr("[targets] must have at least one item"));
  EXPECT_THAT(Error("note: ''"), HasSubstr("[note] must not be empty"));
  EXPECT_THAT(Error("objective: {kind: subtb, lambda: 1.5}"), HasSubstr("[objective.lambda] must be in [0, 1], found 1.5"));
  EXPECT_EQ(std::get<SubTb>(Good("data: d\nobjective: {kind: subtb, lambda: 1}").objective).lambda, 1);
}

TEST(ConfigReadTest, Alternatives) {
  EXPECT_THAT(Error("objective: {lambda: 0.5}"),
              HasSubstr("run.yaml:1:12: [objective] missing key 'kind'; choices: subtb, tb, vargrad"));
  EXPECT_THAT(
      Error("objective: {kind: subtd}"),
      HasSubstr("run.yaml:1:19: [objective.kind] unknown kind 'subtd'; did you mean 'subtb'? choices: subtb, tb, vargrad"));
  EXPECT_THAT(Error("objective: {kind: [tb]}"), HasSubstr("[objective.kind] unknown kind 'a list'"));
  EXPECT_THAT(Error("objective: tb"),
              HasSubstr("[objective] expected a map of keys, 'kind' among them (one of subtb, tb, vargrad), found 'tb'"));
  EXPECT_THAT(Error("objective: {kind: vargrad, lambda: 1}"),
              HasSubstr("[objective.lambda] unknown key 'lambda'; known keys here: kind"));
  EXPECT_THAT(Error("objective: {kind: tb, kind: subtb, init: x}"), HasSubstr("key 'kind' is given twice"));
  EXPECT_THAT(Error("extra: [{kind: vargrad}]"), HasSubstr("[extra.0.kind] unknown kind 'vargrad'"));
  EXPECT_TRUE(std::holds_alternative<VarGrad>(Good("data: d\nobjective: {kind: vargrad}").objective));
}

TEST(ConfigReadTest, RulesAcrossFields) {
  EXPECT_THAT(Error("lengths: {min_len: 11}"),
              HasSubstr("run.yaml:1:10: [lengths.max_len] is 10, but must be at least min_len (11)"));
  EXPECT_THAT(Error("compat: true"), HasSubstr("run.yaml:1:1: compat needs a constant schedule"));
  // Not asked where a field is wrong by itself.
  EXPECT_EQ(Error("lengths: {min_len: 11, max_len: -2}"), "run.yaml:1:33: [lengths.max_len] must be >= 0, found -2");
  EXPECT_EQ(Error("compat: true\nlr: x"), "run.yaml:2:5: [lr] expected a finite number, found 'x'");
}

TEST(ConfigReadTest, TextsAreTakenAsTheyStand) {
  EXPECT_EQ(Good("data: 123").data, "123");
  EXPECT_EQ(Good("data: true").data, "true");
  EXPECT_EQ(Good("data: \"a\\n\\u00e9\"").data, "a\n\u00e9");
  EXPECT_EQ(Good("data: |\n  two\n  lines\n").data, "two\nlines\n");
}

TEST(ConfigReadTest, Files) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "run.yaml", "data: d\nlr: x\n").ok());
  EXPECT_EQ(Message(ReadConfigFile<Recipe>(folder / "run.yaml").status()),
            (folder / "run.yaml") + ":2:5: [lr] expected a finite number, found 'x'");
  EXPECT_EQ(ReadConfigFile<Recipe>(folder / "none.yaml").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(Read("a: [").status()), HasSubstr("run.yaml:1:"));
}

TEST(ConfigOverrideTest, SetsValuesOfEveryKind) {
  const Recipe run = Good("data: d\nstages: [{name: a}, {name: b}]\nobjective: {kind: subtb, lambda: 0.5}",
                          {"lr=0.5", "seed=3", "compat=true", "schedule=constant", "clip=2", "targets=[a, b]", "betas.1=0.5",
                           "lengths.max_len=7", "eval_lengths.min_len=2", "stages.1.steps=9", "objective.lambda=0.25",
                           "extra=[{kind: subtb, lambda: 0}]", "note=a: b # c"});
  EXPECT_EQ(run.lr, 0.5);
  EXPECT_EQ(run.seed, 3);
  EXPECT_TRUE(run.compat);
  EXPECT_EQ(run.schedule, Schedule::kConstant);
  EXPECT_EQ(run.clip, 2.0);
  EXPECT_THAT(run.targets, ElementsAre("a", "b"));
  EXPECT_THAT(run.betas, ElementsAre(0.9, 0.5));
  EXPECT_EQ(run.lengths.max_len, 7);
  EXPECT_EQ(run.eval_lengths, (Lengths{2, 10}));
  EXPECT_THAT(run.stages, ElementsAre(Stage{"a", 1}, Stage{"b", 9}));
  EXPECT_EQ(std::get<SubTb>(run.objective).lambda, 0.25);
  EXPECT_EQ(std::get<SubTb>(run.extra.at(0)).lambda, 0);
  EXPECT_EQ(run.note, "a: b # c");  // a text needs no quotes
}

TEST(ConfigOverrideTest, TheLastWins) { EXPECT_EQ(Good("data: d\nlr: 1", {"lr=2", "lr=3"}).lr, 3); }

TEST(ConfigOverrideTest, TextsAndNull) {
  EXPECT_EQ(Good("", {"data=a=b"}).data, "a=b");
  EXPECT_EQ(Good("", {"data=\"a\\nb\""}).data, "a\nb");
  EXPECT_EQ(Good("", {"data='it''s'"}).data, "it's");
  EXPECT_EQ(Good("data: d", {"data="}).data, "");
  EXPECT_EQ(Good("data: d", {"data=null"}).data, "null");
  EXPECT_EQ(Good("data: d\nclip: 3", {"clip=null"}).clip, std::nullopt);
  EXPECT_EQ(Good("data: d\nclip: 3", {"clip="}).clip, std::nullopt);
  EXPECT_EQ(Good("data: d\nnote: x", {"note=null"}).note, std::nullopt);
  EXPECT_EQ(Good("data: d", {"note=\"null\""}).note, "null");
  EXPECT_EQ(Good("data: d\neval_lengths: {min_len: 2}", {"eval_lengths=null"}).eval_lengths, std::nullopt);
}

TEST(ConfigOverrideTest, AnotherKindStartsFromItsDefaults) {
  const char* text = "data: d\nobjective: {kind: tb, init: x, lr_log_z: 5}";
  EXPECT_EQ(std::get<SubTb>(Good(text, {"objective.kind=subtb"}).objective).lambda, 0.9);
  EXPECT_EQ(std::get<Tb>(Good(text, {"objective.kind=tb"}).objective), (Tb{5, "x"}));
  // What the file gave the first kind does not count for the second.
  EXPECT_EQ(Message(Read(text, {"objective.kind=subtb", "objective.kind=tb"}).status()),
            "run.yaml:2:12: [objective.init] missing required key 'init': first value of log Z");
}

TEST(ConfigOverrideTest, AMapTakesThePlaceOfWhatIsThere) {
  const char* text =
      "data: d\nlengths: {min_len: 3}\neval_lengths: {min_len: 4}\nobjective: {kind: tb, init: x, lr_log_z: 5}\n"
      "stages: [{name: a, steps: 7}, {name: b, steps: 8}]";
  EXPECT_EQ(Good(text, {"lengths={max_len: 20}"}).lengths, (Lengths{1, 20}));
  EXPECT_EQ(Good(text, {"lengths={}"}).lengths, Lengths());
  EXPECT_EQ(Good(text, {"lengths=max_len: 20"}).lengths, (Lengths{1, 20})) << "in any form";
  EXPECT_EQ(Good(text, {"lengths={max_len: 20}"}).eval_lengths, (Lengths{4, 10})) << "others stay";
  EXPECT_EQ(Good(text, {"eval_lengths={max_len: 20}"}).eval_lengths, (Lengths{1, 20}));
  EXPECT_EQ(std::get<Tb>(Good(text, {"objective={kind: tb, init: y}"}).objective), (Tb{0.1, "y"}));
  EXPECT_THAT(Good(text, {"stages.1={name: c}"}).stages, ElementsAre(Stage{"a", 7}, Stage{"c", 1}));
  // In their order: what was said before is replaced, what is said after counts.
  EXPECT_EQ(Good(text, {"lengths.min_len=7", "lengths={max_len: 20}"}).lengths, (Lengths{1, 20}));
  EXPECT_EQ(Good(text, {"lengths={max_len: 20}", "lengths.min_len=7"}).lengths, (Lengths{7, 20}));
  EXPECT_EQ(Good(text, {"lengths={min_len: 2}", "lengths={max_len: 20}"}).lengths, (Lengths{1, 20}));
  EXPECT_EQ(Good(text, {"data={X} {Y}"}).data, "{X} {Y}") << "a text is no map";
  // Whoever means to add to it is told how.
  EXPECT_EQ(
      Message(Read(text, {"objective={kind: tb, lr_log_z: 1}"}).status()),
      "--set objective={kind: tb, lr_log_z: 1}: [objective.init] missing required key 'init': first value of log Z; a map takes "
      "the place of all of 'objective': to change one key and leave the others write --set objective.KEY=VALUE");
  EXPECT_THAT(Message(Read(text, {"objective={lr_log_z: 1}"}).status()),
              AllOf(HasSubstr("missing key 'kind'"), HasSubstr("write --set objective.KEY=VALUE")));
  EXPECT_THAT(Message(Read(text, {"stages.1={steps: 3}"}).status()), HasSubstr("write --set stages.1.KEY=VALUE"));
  EXPECT_THAT(Message(Read(text, {"lengths={maxlen: 3}"}).status()),
              HasSubstr("--set lengths={maxlen: 3}: [lengths.maxlen] unknown key 'maxlen'; did you mean 'max_len'?"));
}

TEST(ConfigOverrideTest, EscapesAreReadAsInAFile) {
  EXPECT_EQ(Good("", {R"(data="a\_b")"}).data, "a\u00A0b");
  EXPECT_EQ(Good("", {R"(data=a\_b)"}).data, R"(a\_b)") << "without quotes a text is taken as it stands";
  EXPECT_THAT(SetError(R"(data="a\0b")"), HasSubstr("[data] not YAML: value:1:1: this text holds the character NUL"));
  EXPECT_THAT(SetError(R"(targets=["a\x00"])"), HasSubstr("holds the character NUL"));
}

TEST(ConfigOverrideTest, MistakesNameTheOverride) {
  EXPECT_EQ(SetError("lr"), "--set lr: expected KEY=VALUE, as in train.lr=1e-3");
  EXPECT_EQ(SetError("=3"), "--set =3: expected KEY=VALUE, as in train.lr=1e-3");
  EXPECT_EQ(SetError("lr=\xFF"), "--set lr=\xFF: not valid UTF-8");
  EXPECT_EQ(SetError("lr=x"), "--set lr=x: [lr] expected a finite number, found 'x'");
  EXPECT_EQ(SetError("lr=-1"), "--set lr=-1: [lr] must be > 0, found -1");
  EXPECT_EQ(
      SetError("lengths.maxlen=1"),
      "--set lengths.maxlen=1: [lengths.maxlen] unknown key 'maxlen'; did you mean 'max_len'? known keys here: min_len, max_len");
  EXPECT_EQ(SetError("lr.x=1"), "--set lr.x=1: [lr.x] 'lr' is a single value and has no keys");
  EXPECT_EQ(SetError("betas.2=1"), "--set betas.2=1: [betas.2] expected the index of one of the 2 items, from 0, found '2'");
  EXPECT_EQ(SetError("betas.x=1"), "--set betas.x=1: [betas.x] expected the index of one of the 2 items, from 0, found 'x'");
  EXPECT_EQ(SetError("objective.kind=x"),
            "--set objective.kind=x: [objective.kind] unknown kind 'x'; choices: subtb, tb, vargrad");
  EXPECT_THAT(SetError("objective.init=x"), HasSubstr("[objective.init] unknown key 'init'; known keys here: kind, lambda"));
  EXPECT_THAT(SetError("targets=[a"), HasSubstr("--set targets=[a: [targets] not YAML: value:1:"));
  EXPECT_THAT(SetError("lengths.max_len=0"),
              HasSubstr("--set lengths.max_len=0: [lengths.max_len] is 0, but must be at least min_len (1)"));
  EXPECT_THAT(SetError("lengths=3"), HasSubstr("expected a map of keys, found '3'"));
}

TEST(CheckConfigTest, StructsMadeByCode) {
  Recipe run;
  EXPECT_TRUE(CheckConfig(run, "defaults").ok());  // required keys are a matter of files
  run.lr = -1;
  run.lengths.max_len = -5;
  run.betas = {0.5, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_EQ(Message(CheckConfig(run, "defaults")),
            "defaults: [lr] must be > 0, found -1\n"
            "defaults: [betas.1] must be finite, found nan\n"
            "defaults: [lengths.max_len] must be >= 0, found -5");
}

struct TwiceTheSameKey {
  double a = 0;
  template <class V>
  void Visit(V& v) {
    v("a", a, "first");
    v("a", a, "second");
  }
};

struct ReservedKey {
  double a = 0;
  template <class V>
  void Visit(V& v) {
    v("kind", a, "reserved");
  }
};

TEST(ConfigDeathTest, StructsThatCannotWork) {
  EXPECT_DEATH((void)ReadConfigText<TwiceTheSameKey>("", "f"), "key 'a' is listed twice");
  EXPECT_DEATH((void)ReadConfigText<ReservedKey>("", "f"), "'kind' cannot be the key");
}

}  // namespace
}  // namespace gfn::config_test
