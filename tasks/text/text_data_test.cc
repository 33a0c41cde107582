// The infilling task's data: texts of JSON lines by a field map, templates, and which hidden texts a tokenizer allows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "gflownet/base/test_folder.h"
#include "tasks/text/text_support.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kTokenizer = std::string(GFN_SOURCE_DIR) + "/tests/golden/tokenizer/stories260k.gguf";
const std::string kSmolLm2 = std::string(GFN_SOURCE_DIR) + "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";

template <class T>
std::string MessageOf(const StatusOr<T>& result) {
  return result.ok() ? "accepted" : std::string(Message(result.status()));
}

class TextFile : public testing::Test {
 protected:
  StatusOr<std::vector<TextExample>> Read(const std::string& text, const TextFields& fields = {}) {
    EXPECT_TRUE(WriteFileAtomic(path_, text).ok());
    return ReadTextExamples(path_, fields);
  }
  TestFolder folder_;
  const std::string path_ = folder_ / "data.jsonl";
};

TEST_F(TextFile, FieldsAreFoundByPath) {
  TextFields fields;
  fields.id = "meta.name";
  fields.x = {"sentences.0", "sentences.1"};
  fields.y = {"sentences.3"};
  fields.z = {"sentences.2"};
  const auto examples = Read(R"({"meta": {"name": "one"}, "sentences": ["A b.", "C.", "Hidden.", "End."]})"
                             "\n"
                             R"({"sentences": ["D.", "E.", "F.", "Gä."]})"
                             "\n",
                             fields);
  ASSERT_TRUE(examples.ok()) << examples.status();
  ASSERT_EQ(examples->size(), 2u);
  EXPECT_EQ((*examples)[0].id, "one");
  EXPECT_EQ((*examples)[0].x, "A b. C.");
  EXPECT_EQ((*examples)[0].y, "End.");
  EXPECT_EQ((*examples)[0].z, "Hidden.");
  EXPECT_EQ((*examples)[1].id, "2") << "lines without a name are named by their number";
  EXPECT_EQ((*examples)[1].y, "Gä.");
}

TEST_F(TextFile, ReferenceAndEndingMayBeAbsent) {
  const auto without_z = Read(R"({"x": "A.", "y": "B."})"
                              "\n");
  ASSERT_TRUE(without_z.ok()) << without_z.status();
  EXPECT_EQ((*without_z)[0].z, "");
  TextFields continuation;
  continuation.y = {};
  const auto without_y = Read(R"({"x": "A."})"
                              "\n",
                              continuation);
  ASSERT_TRUE(without_y.ok()) << without_y.status();
  EXPECT_EQ((*without_y)[0].y, "");
}

TEST_F(TextFile, IdsAreTextsOrNumbers) {
  const auto line = [](const std::string& id) { return "{" + id + R"("x": "a", "y": "b"})" + "\n"; };
  const auto examples = Read(line(R"("id": 1017, )") + line(R"("id": -3, )") + line(R"("id": 1.5, )") + line(R"("id": "a b", )") +
                             line(R"("id": 18446744073709551615, )") + line(R"("id": null, )") + line(""));
  ASSERT_TRUE(examples.ok()) << examples.status();
  std::vector<std::string> ids;
  for (const TextExample& example : *examples) ids.push_back(example.id);
  EXPECT_THAT(ids, ElementsAre("1017", "-3", "1.5", "a b", "18446744073709551615", "6", "7"));
  // Nothing that would be another id, or the same for several lines.
  for (const char* wrong : {"true", "[1]", "{}"})
    EXPECT_THAT(MessageOf(Read(line("\"id\": 1, ") + line(std::string("\"id\": ") + wrong + ", "))),
                HasSubstr("data.jsonl:2: expected a text or a number at 'id', found"));
  EXPECT_THAT(MessageOf(Read(line(R"("id": 36893488147419103233, )"))),
              AllOf(HasSubstr("data.jsonl:1: the number at 'id' has more digits"), HasSubstr("in quotes")));
  TextFields none;
  none.id = "";
  EXPECT_EQ(Read(line(R"("id": 9, )"), none)->front().id, "1") << "no path: the line's number";
}

TEST_F(TextFile, ErrorsNameFileAndLine) {
  const std::string good = R"({"x": "A.", "y": "B."})"
                           "\n";
  EXPECT_THAT(MessageOf(Read(good + R"({"x": "A."})")), AllOf(HasSubstr(path_ + ":2"), HasSubstr("'y'"), HasSubstr("nothing")));
  EXPECT_THAT(MessageOf(Read(good + good + R"({"x": 3, "y": "B."})")),
              AllOf(HasSubstr(path_ + ":3"), HasSubstr("'x'"), HasSubstr("number")));
  EXPECT_THAT(MessageOf(Read(good + "{\"x\": ")), HasSubstr(path_ + ":2"));
  EXPECT_THAT(MessageOf(Read(good + "[1, 2]")), HasSubstr(path_ + ":2"));
  EXPECT_THAT(MessageOf(Read(R"({"x": "", "y": "B."})")), AllOf(HasSubstr(path_ + ":1"), HasSubstr("empty")));
  EXPECT_THAT(MessageOf(Read("")), AllOf(HasSubstr(path_), HasSubstr("no examples")));
  EXPECT_THAT(MessageOf(ReadTextExamples(folder_ / "absent.jsonl", {})), HasSubstr("absent.jsonl"));
  TextFields deep;
  deep.x = {"s.9"};
  EXPECT_THAT(MessageOf(Read(R"({"s": ["a"], "y": "b"})", deep)), HasSubstr("'s.9'"));
}

TEST_F(TextFile, PlainTextIsALineAnExample) {
  const std::string path = folder_ / "prompts.txt";
  const auto read = [&](const std::string& text, const TextFields& fields) {
    EXPECT_TRUE(WriteFileAtomic(path, text).ok());
    return ReadTextExamples(path, fields);
  };
  TextFields no_y;
  no_y.y = {};
  const auto examples = read("One day, \r\nThe {\"x\": 1} dog\nlast", no_y);
  ASSERT_TRUE(examples.ok()) << examples.status();
  ASSERT_EQ(examples->size(), 3u);
  EXPECT_EQ((*examples)[0].x, "One day, ") << "the space at its end is kept";
  EXPECT_EQ((*examples)[1].x, "The {\"x\": 1} dog");
  EXPECT_EQ((*examples)[2].id, "3");
  EXPECT_EQ((*examples)[2].where, path + ":3");
  EXPECT_THAT(MessageOf(read("a\n\nb\n", no_y)), AllOf(HasSubstr("prompts.txt:2"), HasSubstr("empty")));
  EXPECT_THAT(MessageOf(read("a\n\xff\n", no_y)), AllOf(HasSubstr("prompts.txt:2"), HasSubstr("UTF-8")));
  EXPECT_THAT(MessageOf(read("", no_y)), HasSubstr("no lines"));
  EXPECT_THAT(MessageOf(read("a\n", {})), HasSubstr("task.data.fields.y"));
}

TEST_F(TextFile, LinesAreHeldOutOfTheEnd) {
  TextData data;
  data.fields.y = {};
  data.train = folder_ / "all.txt";
  ASSERT_TRUE(WriteFileAtomic(data.train, "1\n2\n3\n4\n5\n6\n").ok());
  const auto read = [&](const std::string& split) {
    std::string ids;
    const auto examples = ReadSplit(data, split);
    if (!examples.ok()) return std::string(Message(examples.status()));
    for (const TextExample& example : examples->examples) ids += example.x + ' ';
    return ids;
  };
  EXPECT_EQ(read("train"), "1 2 3 4 5 6 ");
  EXPECT_THAT(read("test"), HasSubstr("no test data"));
  EXPECT_THAT(read("tset"), HasSubstr("known splits"));
  data.held_out = {.validation = 2, .test = 1};
  EXPECT_EQ(read("train"), "1 2 3 ");
  EXPECT_EQ(read("validation"), "4 5 ");
  EXPECT_EQ(read("test"), "6 ");
  // Lines of a file of their own are those of that file.
  data.held_out.test = 0;
  data.test = folder_ / "test.txt";
  ASSERT_TRUE(WriteFileAtomic(data.test, "a\n").ok());
  EXPECT_EQ(read("test"), "a ");
  EXPECT_EQ(read("train"), "1 2 3 4 ");
  data.held_out.validation = 6;
  EXPECT_THAT(read("train"), AllOf(HasSubstr("all.txt"), HasSubstr("6 lines")));
}

TEST(Template, ReplacesEveryPlaceOnceAndNothingInTheTexts) {
  const FilledTemplate filled = FillTemplate("Ends: {Y}\n\n{X}", {{"{X}", "x {Y}"}, {"{Y}", "y"}});
  EXPECT_EQ(filled.text, "Ends: y\n\nx {Y}");
  ASSERT_EQ(filled.values.size(), 2u);
  EXPECT_EQ(filled.text.substr(filled.values[0].begin, filled.values[0].end - filled.values[0].begin), "y");
  EXPECT_EQ(filled.text.substr(filled.values[1].begin), "x {Y}");
  EXPECT_EQ(FillTemplate("{X}{X} {Z} {", {{"{X}", "a"}, {"{Y}", "b"}}).text, "aa {Z} {");
}

TEST(Condition, TokensAreThoseOfTheTexts) {
  const auto tokenizer = LoadTokenizer(kTokenizer).value();
  const SequenceCondition condition = EncodeCondition(*tokenizer, {"{Y} {X}"}, "Lily saw a dog.", "She was happy.");
  const auto text = [&](const std::vector<int32_t>& ids, bool continuation) {
    return tokenizer->Decode(ids, {.show_special = false, .continuation = continuation});
  };
  EXPECT_EQ(text(condition.prompt, false), "She was happy. Lily saw a dog.");
  EXPECT_EQ(text(condition.x, false), "Lily saw a dog.");
  EXPECT_EQ(text(condition.y, true), " She was happy.");
  ASSERT_TRUE(tokenizer->prepends_bos());
  EXPECT_EQ(condition.prompt[0], *tokenizer->bos_id());
  EXPECT_EQ(condition.x[0], *tokenizer->bos_id());
  EXPECT_NE(condition.y[0], *tokenizer->bos_id());
}

TEST(Condition, OnlyTheTemplateNamesSpecialTokens) {
  const auto tokenizer = LoadTokenizer(kTokenizer).value();
  const int32_t eos = *tokenizer->eos_id();
  const std::string name(tokenizer->TokenName(eos));
  const SequenceCondition condition = EncodeCondition(*tokenizer, {"{Y}" + name + "{X}"}, "Lily" + name + "saw.", name);
  EXPECT_EQ(std::ranges::count(condition.prompt, eos), 1);
  EXPECT_EQ(std::ranges::count(condition.x, eos), 0);
  EXPECT_EQ(std::ranges::count(condition.y, eos), 0);
  // Half of a name in the template and half in a text is no name.
  const SequenceCondition halves = EncodeCondition(*tokenizer, {name.substr(0, 2) + "{Y} {X}"}, "Lily saw.", name.substr(2));
  EXPECT_EQ(std::ranges::count(halves.prompt, eos), 0);
}

TEST(Support, StopMustBeOneToken) {
  const auto tokenizer = LoadTokenizer(kTokenizer).value();
  TextSupport config;
  config.stop = {".", "?!"};
  EXPECT_THAT(MessageOf(MakeTextSupport(*tokenizer, config, tokenizer->vocab_size())),
              AllOf(HasSubstr("task.support.stop"), HasSubstr("'?!'"), HasSubstr("? | !")));
  config.stop = {".", "!"};
  config.forbidden_tokens = {" Lily"};
  const auto support = MakeTextSupport(*tokenizer, config, tokenizer->vocab_size());
  ASSERT_TRUE(support.ok()) << support.status();
  ASSERT_EQ(support->stop_ids.size(), 2u);
  EXPECT_EQ(tokenizer->TokenBytes(static_cast<int32_t>(support->stop_ids[0])), ".");
  EXPECT_EQ(tokenizer->TokenBytes(static_cast<int32_t>(support->stop_ids[1])), "!");
  EXPECT_FALSE(support->legal[*tokenizer->FindToken(" Lily")]);
  EXPECT_TRUE(support->legal[*tokenizer->FindToken(" Timmy")]);
}

TEST(Support, TheLastPlaceHasItsOwnVocabulary) {
  const auto tokenizer = LoadTokenizer(kTokenizer).value();
  TextSupport config;
  config.min_len = 2;
  config.max_len = 3;
  config.forbidden_last = {" happy", "xyzzy."};
  EXPECT_THAT(MessageOf(MakeTextSupport(*tokenizer, config, tokenizer->vocab_size())),
              AllOf(HasSubstr("task.support.forbidden_last"), HasSubstr("'xyzzy.'")));
  config.forbidden_last = {" happy"};
  const SequenceSupport support = MakeTextSupport(*tokenizer, config, tokenizer->vocab_size()).value();
  EXPECT_TRUE(support.legal[*tokenizer->FindToken(" happy")]);
  EXPECT_FALSE(EncodeReference(*tokenizer, support, "was happy.").empty()) << "the second of at most three";
  EXPECT_TRUE(EncodeReference(*tokenizer, support, "She was happy.").empty()) << "the third";
  EXPECT_FALSE(EncodeReference(*tokenizer, support, "was happy day.").empty());
}

TEST(Support, TheLastPlaceTakesWhatEndsASentenceInTheData) {
  const auto tokenizer = LoadTokenizer(kTokenizer).value();
  TextSupport config;
  config.min_len = 2;
  config.max_len = 3;
  config.forbidden_last = {" day"};
  SequenceSupport support = MakeTextSupport(*tokenizer, config, tokenizer->vocab_size()).value();
  TextExample example;
  example.x = "Timmy was happy. It was day.";
  example.y = "She was big! They said.";
  RestrictLastPlace(*tokenizer, {example}, support);
  EXPECT_FALSE(EncodeReference(*tokenizer, support, "She was happy.").empty()) << "ends a sentence of x";
  EXPECT_TRUE(EncodeReference(*tokenizer, support, "She was day.").empty()) << "forbidden all the same";
  EXPECT_TRUE(EncodeReference(*tokenizer, support, "They was Timmy.").empty()) << "ends no sentence";
  EXPECT_FALSE(EncodeReference(*tokenizer, support, "was Timmy.").empty()) << "the second of at most three";
  EXPECT_TRUE(support.illegal_last[*tokenizer->FindToken(" big")]) << "before a mark that is no stop";
  EXPECT_FALSE(support.illegal_last[*tokenizer->FindToken(" said")]) << "ends y";
}

TEST(Support, ReferenceIsKeptOnlyInside) {
  const auto tokenizer = LoadTokenizer(kTokenizer).value();
  TextSupport config;
  config.min_len = 2;
  config.max_len = 6;
  const SequenceSupport support = MakeTextSupport(*tokenizer, config, tokenizer->vocab_size()).value();
  const std::vector<int32_t> tokens = EncodeReference(*tokenizer, support, "She was happy.");
  ASSERT_GE(tokens.size(), 3u);
  EXPECT_EQ(DecodeObject(*tokenizer, {tokens.begin(), tokens.end() - 1}, tokens.back()), "She was happy.");
  EXPECT_TRUE(EncodeReference(*tokenizer, support, "She was happy").empty()) << "no stop";
  EXPECT_TRUE(EncodeReference(*tokenizer, support, "She was. Happy.").empty()) << "a stop inside";
  EXPECT_TRUE(EncodeReference(*tokenizer, support, "She.").empty()) << "too short";
  EXPECT_TRUE(EncodeReference(*tokenizer, support, "She was happy and they play with the big dog.").empty()) << "too long";
}

TEST(Support, OfSmolLm2HasWordsButNoMarks) {
  if (!std::filesystem::exists(kSmolLm2)) GTEST_SKIP() << "needs " << kSmolLm2;
  const auto tokenizer = LoadTokenizer(kSmolLm2).value();
  const auto support = MakeTextSupport(*tokenizer, {}, 49152);
  ASSERT_TRUE(support.ok()) << support.status();
  EXPECT_THAT(support->stop_ids, ElementsAre(*tokenizer->FindToken(".")));
  int64_t num_legal = 0;
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
    if (!support->legal[id]) continue;
    ++num_legal;
    EXPECT_FALSE(tokenizer->IsSpecial(id)) << id;
    EXPECT_EQ(tokenizer->TokenBytes(id).find_first_of(".!?\n\r"), std::string_view::npos) << tokenizer->TokenBytes(id);
  }
  EXPECT_GT(num_legal, 45000);
  for (const char* word : {" the", " dog", ",", " restart"}) {
    const std::optional<int32_t> id = tokenizer->FindToken(word);
    ASSERT_TRUE(id.has_value()) << word;
    EXPECT_TRUE(support->legal[*id]) << word;
  }
  EXPECT_THAT(
      MessageOf(MakeTextSupport(*tokenizer, {.stop = {"xyzzy."}, .allowed_characters = {}, .forbidden_tokens = {}}, 49152)),
      HasSubstr(" | "));
}

}  // namespace
}  // namespace gfn
