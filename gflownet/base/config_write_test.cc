#include <cmath>

#include "gflownet/base/config_reader.h"
#include "gflownet/base/config_test_structs.h"
#include "gflownet/base/json_util.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gfn::config_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

Recipe Full() {
  Recipe run;
  run.data = "../data/a.jsonl";
  run.lr = 5e-4;
  run.clip = 1;
  run.note = "say \"hi\"\n{X}";
  run.eval_lengths = Lengths{2, 3};
  run.stages = {{"warm", 2}, {"null", 3}};
  run.objective = Tb{0.5, "1e3"};
  run.extra = {SubTb{1}, Tb{2, "x"}};
  return run;
}

constexpr const char* kFullText = R"(data: "../data/a.jsonl"
lr: 5e-04
seed: 0
compat: false
schedule: cosine
clip: 1
note: "say \"hi\"\n{X}"
targets: [q_proj, v_proj]
betas: [0.9, 0.99]
lengths:
  min_len: 1
  max_len: 10
eval_lengths:
  min_len: 2
  max_len: 3
stages:
  -
    name: warm
    steps: 2
  -
    name: "null"
    steps: 3
objective:
  kind: tb
  lr_log_z: 0.5
  init: "1e3"
extra:
  -
    kind: subtb
    lambda: 1
  -
    kind: tb
    lr_log_z: 2
    init: x
)";

TEST(ConfigWriteTest, WritesEveryKey) { EXPECT_EQ(WriteConfig(Full()), kFullText); }

TEST(ConfigWriteTest, ReadsBackToTheSameValue) {
  Recipe plain;
  plain.data = "d";
  plain.objective = VarGrad{};
  for (const Recipe& run : {Full(), plain}) {
    const StatusOr<Recipe> read = ReadConfigText<Recipe>(WriteConfig(run), "resolved.yaml");
    ASSERT_TRUE(read.ok()) << read.status() << "\n" << WriteConfig(run);
    EXPECT_EQ(*read, run);
    EXPECT_EQ(WriteConfig(*read), WriteConfig(run));
  }
}

struct Text {
  std::string text;
  template <class V>
  void Visit(V& v) {
    v("text", text, "a text");
  }
};

TEST(ConfigWriteTest, TextsAreQuotedWhereNeeded) {
  const auto written = [](std::string text) { return WriteConfig(Text{std::move(text)}); };
  EXPECT_EQ(written("plain_text-1.gguf"), "text: plain_text-1.gguf\n");
  EXPECT_EQ(written("/a/b"), "text: /a/b\n");
  for (const char* text : {"",     " a", "a b", "1",  "1e3", "-",  "null", "Null", "TRUE", "no", "~",
                           "a: b", "#",  "[a]", "*a", "&a",  "!a", "%",    "@",    "`",    "'",  "y"}) {
    EXPECT_THAT(written(text), StartsWith("text: \"")) << text;
    EXPECT_EQ(ReadConfigText<Text>(written(text), "f")->text, text);
  }
  EXPECT_EQ(written("a\tb\x01\x7F\u0085\u2028\u2029\uFEFF\u00e9"), "text: \"a\\tb\\x01\\x7F\\x85\\u2028\\u2029\\uFEFF\u00e9\"\n");
}

TEST(ConfigFlattenTest, OneEntryPerValue) {
  std::string text;
  for (const ConfigEntry& entry : FlattenConfig(Full())) text += entry.path + "=" + entry.value + "\n";
  EXPECT_THAT(text, HasSubstr("targets=[q_proj, v_proj]\n"));
  EXPECT_THAT(text, HasSubstr("eval_lengths.min_len=2\n"));
  EXPECT_THAT(text, HasSubstr("stages.1.steps=3\n"));
  EXPECT_THAT(text, HasSubstr("objective.kind=tb\nobjective.lr_log_z=0.5\n"));
  EXPECT_THAT(text, HasSubstr("extra.0.kind=subtb\nextra.0.lambda=1\n"));
}

TEST(ConfigDiffTest, NamesWhatChanged) {
  EXPECT_THAT(DiffConfigs(Full(), Full()), IsEmpty());
  Recipe changed = Full();
  changed.lr = 0.25;
  changed.clip.reset();
  changed.targets = {"k_proj"};
  changed.objective = SubTb{0.5};
  changed.stages.pop_back();
  std::string text;
  for (const ConfigDifference& d : DiffConfigs(Full(), changed))
    text += d.path + ": " + d.old_value + " -> " + d.new_value + "\n";
  EXPECT_EQ(text,
            "lr: 5e-04 -> 0.25\n"
            "clip: 1 -> null\n"
            "targets: [q_proj, v_proj] -> [k_proj]\n"
            "stages.1.name: \"null\" -> \n"
            "stages.1.steps: 3 -> \n"
            "objective.kind: tb -> subtb\n"
            "objective.lr_log_z: 0.5 -> \n"
            "objective.init: \"1e3\" -> \n"
            "objective.lambda:  -> 0.5\n");
}

struct Resumable {
  std::string name = "a";
  double lr = 1;
  Lengths lengths;
  std::variant<SubTb, Tb> objective;
  template <class V>
  void Visit(V& v) {
    v("name", name, "for people", NonEmpty{}, MayChange{});
    v("lr", lr, "learning rate");
    v("lengths", lengths, "limits", MayChange{});
    v("objective", objective, "what is minimised", MayChange{});
  }
};

TEST(ConfigDiffTest, SaysWhatMayChangeAtAResume) {
  Resumable changed;
  changed.name = "b";
  changed.lr = 2;
  changed.lengths.max_len = 11;
  changed.objective = Tb{2, "x"};
  std::string text;
  for (const ConfigDifference& d : DiffConfigs(Resumable(), changed))
    text += FormatDifference(d) + (d.may_change ? " (may)\n" : "\n");
  EXPECT_EQ(text,
            "name: a -> b (may)\n"
            "lr: 1 -> 2\n"
            "lengths.max_len: 10 -> 11 (may)\n"
            "objective.kind: subtb -> tb (may)\n"
            "objective.lambda: 0.9 -> (none) (may)\n"
            "objective.lr_log_z: (none) -> 2 (may)\n"
            "objective.init: (none) -> x (may)\n");
  EXPECT_THAT(DocumentConfig<Resumable>(),
              HasSubstr("| `name` | text | `a` | not empty, may change at a resume | for people |\n"));
}

// Whatever a text may hold can be stored: in YAML that reads back, and in a checkpoint's JSON.
TEST(ConfigWriteTest, EveryTextThatLoadsCanBeSaved) {
  for (const char* escaped : {"\\_", "\\N", "x\\_y\\N", "\\L\\P", "\\x01\\x7f\\x80\\x9f\\xa0\\xff", "\\a\\b\\e\\f\\n\\r\\t\\v",
                              "\\uFEFF\\uFFFE\\uFFFF", "\\U0010FFFF", "\u00e9\\_"}) {
    const auto read = ReadConfigText<Recipe>(std::string("data: \"") + escaped + "\"\ntargets: [\"" + escaped + "\"]\n", "f");
    ASSERT_TRUE(read.ok()) << escaped << ": " << read.status();
    const std::string written = WriteConfig(*read);
    EXPECT_EQ(ReadConfigText<Recipe>(written, "again").value(), *read) << escaped;
    EXPECT_TRUE(JsonToText({{"config", written}, {"data", read->data}}).ok()) << escaped;
  }
}

TEST(ConfigDocumentTest, TablesOfEverything) {
  const std::string text = DocumentConfig<Recipe>();
  EXPECT_THAT(text, StartsWith("| key | type | default | limits | meaning |\n|---|---|---|---|---|\n"
                               "| `data` | text | required |  | JSON lines file |\n"
                               "| `lr` | number | `0.001` | > 0 | learning rate |\n"));
  for (const char* line : {
           "| `schedule` | choice | `cosine` | `constant`, `linear` (falls to 0), `cosine` | of the learning rate |\n",
           "| `clip` | number or null | `null` | > 0 | largest gradient norm; null: none |\n",
           "| `targets` | list of text | `[q_proj, v_proj]` | not empty | layers with an adapter |\n",
           "| `betas` | list of number | `[0.9, 0.99]` | in [0, 1) | of AdamW |\n",
           "| `lengths` | keys | below |  | of the answer |\n",
           "| `eval_lengths` | keys or null | `null` |  | in evaluations; null: as in training |\n",
           "| `stages` | list of keys | `[]` |  | one after the other |\n",
           "| `objective` | kind | `subtb` | `subtb`, `tb`, `vargrad` | what is minimised |\n",
           "\n## `lengths`\n\n",
           "| `lengths.min_len` | integer | `1` | >= 0 | shortest \\| allowed |\n",
           "\n## `eval_lengths`\n\n",
           "\n## `stages[]`\n\n",
           "| `stages[].name` | text | required |  | name of the stage |\n",
           "\n## `objective` with `kind: tb`\n\n",
           "| `objective.lr_log_z` | number | `0.1` | > 0 | learning rate of log Z |\n",
           "\n## `objective` with `kind: vargrad`\n\nNo keys of its own.\n",
           "\n## `extra[]` with `kind: subtb`\n\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace gfn::config_test
