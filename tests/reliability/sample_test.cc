// `gfn sample` as a program that others read from: its lines, what feeds them back, samplers without a run, and numbers on the
// command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/tensor/safetensors_tensors.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

std::vector<json> Lines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

// The numbers of two lines agree as sampler and scorer do (docs/design.md, tolerances of fp32).
void ExpectSameNumbers(const json& found, const json& expected) {
  for (const char* key : {"log_pf", "log_reward"}) {
    const double want = expected[key].get<double>();
    EXPECT_NEAR(found[key].get<double>(), want, 2e-4 * std::max(1.0, std::abs(want))) << key << "\n" << found << "\n" << expected;
  }
}

class SampleLines : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = new TinyRun;
    const GfnResult trained = RunGfn(tiny_->folder(), TinyRun::Train("run"));
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }
  static void TearDownTestSuite() {
    delete tiny_;
    tiny_ = nullptr;
  }
  static std::vector<json> Sampled(const std::vector<std::string>& arguments) {
    const GfnResult result = Sample(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Lines(result.out);
  }
  static GfnResult Sample(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "sample");
    return RunGfn(tiny_->folder(), arguments);
  }
  static TinyRun* tiny_;
};
TinyRun* SampleLines::tiny_ = nullptr;

TEST_F(SampleLines, CarryIdsAndTheTextAsItStands) {
  const std::vector<json> lines = Sampled({"run", "--input", "stories.jsonl", "--num", "40"});
  ASSERT_EQ(lines.size(), 120u);
  bool some_begin_with_a_space = false, some_do_not = false, some_are_no_text = false;
  for (const json& line : lines) {
    ASSERT_TRUE(line["ids"].is_array() && !line["ids"].empty()) << line;
    const std::string text = line["text"].get<std::string>();
    (text.starts_with(' ') ? some_begin_with_a_space : some_do_not) = true;
    EXPECT_EQ(line.contains("text_hex"), text.find("\uFFFD") != std::string::npos) << line;
    some_are_no_text = some_are_no_text || line.contains("text_hex");
    EXPECT_TRUE(line["terms"].contains("log_p_y")) << line;
  }
  EXPECT_TRUE(some_begin_with_a_space && some_do_not) << "a tiny model begins with anything";
  EXPECT_TRUE(some_are_no_text) << "the vocabulary has tokens of single bytes, and a tiny model draws them all";
}

TEST_F(SampleLines, FedBackGiveTheSameNumbers) {
  const GfnResult samples = Sample({"run", "--input", "stories.jsonl", "--num", "6"});
  ASSERT_EQ(samples.exit_code, 0) << samples.err;
  tiny_->Write("samples.jsonl", samples.out);
  const std::vector<json> drawn = Lines(samples.out), scored = Sampled({"run", "--score", "samples.jsonl"});
  ASSERT_EQ(scored.size(), drawn.size());
  for (size_t i = 0; i < drawn.size(); ++i) {
    EXPECT_EQ(scored[i]["ids"], drawn[i]["ids"]);
    EXPECT_EQ(scored[i]["text"], drawn[i]["text"]);
    ExpectSameNumbers(scored[i], drawn[i]);
    for (const char* term : {"log_p_z", "log_p_stop", "log_p_y"})
      EXPECT_NEAR(scored[i]["terms"][term].get<double>(), drawn[i]["terms"][term].get<double>(), 1e-2) << term;
  }
  // With ids alone and the example named, the same again.
  std::string by_id;
  for (const json& line : drawn) by_id += json{{"id", line["id"]}, {"ids", line["ids"]}}.dump() + "\n";
  tiny_->Write("by_id.jsonl", by_id);
  const std::vector<json> named = Sampled({"run", "--input", "stories.jsonl", "--score", "by_id.jsonl"});
  ASSERT_EQ(named.size(), drawn.size());
  for (size_t i = 0; i < drawn.size(); ++i) ExpectSameNumbers(named[i], drawn[i]);
}

TEST_F(SampleLines, ScoreGivenTextsAndSayWhatIsOutside) {
  const std::string condition = R"("x": "Lily saw a big dog.", "y": "They played all day.")";
  tiny_->Write("given.jsonl", "{" + condition + R"(, "text": " The dog."})" + "\n" +       //
                                  "{" + condition + R"(, "z": "The dog."})" + "\n" +       // the reference, as data have it
                                  "{" + condition + R"(, "text": " The dog"})" + "\n" +    //
                                  "{" + condition + R"(, "text": " The. dog."})" + "\n" +  //
                                  "{" + condition + R"(, "text": " A big dog and a cat saw a red ball and a cake."})" + "\n" +
                                  "{" + condition + R"(, "ids": [99999, 13]})" + "\n");
  const std::vector<json> lines = Sampled({"run", "--score", "given.jsonl"});
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0]["ids"], lines[1]["ids"]);
  EXPECT_EQ(lines[0]["log_pf"], lines[1]["log_pf"]);
  EXPECT_LT(lines[0]["log_pf"].get<double>(), 0);
  const char* reasons[] = {"does not end with a stop", "is a stop, which ends the text", "expected 1 to 5"};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(lines[2 + i]["outside"].get<std::string>(), HasSubstr(reasons[i]));
    EXPECT_TRUE(lines[2 + i]["log_pf"].is_null());
  }
  EXPECT_TRUE(lines[5].contains("outside")) << lines[5];
  // What is no object at all is an error with its place.
  const auto refused = [&](const std::string& line) {
    tiny_->Write("wrong.jsonl", line + "\n");
    const GfnResult result = Sample({"run", "--score", "wrong.jsonl"});
    EXPECT_EQ(result.exit_code, 2) << result.err;
    return result.err;
  };
  EXPECT_THAT(refused("{" + condition + "}"), AllOf(HasSubstr("wrong.jsonl:1"), HasSubstr("expected an object")));
  EXPECT_THAT(refused("{" + condition + R"(, "text": " The dog.", "ids": [5]})"), HasSubstr("not the same object"));
  EXPECT_THAT(refused("{" + condition + R"(, "ids": [1.5]})"), HasSubstr("a list of token ids"));
  EXPECT_THAT(refused(R"({"text": "."})"), HasSubstr("--input"));
}

// The lines of a pipe are there before the last one is drawn.
TEST_F(SampleLines, ComeAsTheyAreDrawn) {
  GfnProcess process(tiny_->folder(), {"sample", "run", "--input", "stories.jsonl", "--num", "1000000"});
  EXPECT_TRUE(process.WaitFor([&] { return process.Out().find('\n') != std::string::npos; })) << process.Err();
  EXPECT_TRUE(process.IsRunning());
  process.Signal(SIGKILL);
  process.Wait();
}

TEST_F(SampleLines, WithoutARun) {
  // The exported adapter and the file beside it are the run.
  const std::vector<std::string> input = {"--input", "stories.jsonl", "--num", "3", "--seed", "7"};
  const auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), input.begin(), input.end());
    return arguments;
  };
  const std::vector<json> of_run = Sampled(with({"run"}));
  const std::vector<json> of_adapter =
      Sampled(with({"model.bin", "--adapter", "run/adapter", "--set", "model.tokenizer=tokenizer.gguf", "--set", "threads=1"}));
  ASSERT_EQ(of_adapter.size(), 9u);
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(of_adapter[i]["ids"], of_run[i]["ids"]);
    ExpectSameNumbers(of_adapter[i], of_run[i]);
  }
  // A YAML file says what the sampler is, an adapter takes the place of its own.
  const std::vector<json> of_yaml = Sampled(with({"tiny.yaml", "--adapter", "run/adapter"}));
  ASSERT_EQ(of_yaml.size(), 9u);
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(of_yaml[i]["ids"], of_run[i]["ids"]);
  // A plain PEFT folder: the keys decide, and a line says which.
  std::filesystem::create_directories(*tiny_ / "plain");
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
    std::filesystem::copy_file(*tiny_ / (std::string("run/adapter/") + name), *tiny_ / (std::string("plain/") + name));
  const GfnResult plain = Sample(with({"model.bin", "--adapter", "plain", "--set", "model.tokenizer=tokenizer.gguf", "--set",
                                       "task.prompt={Y} {X}", "--set", "task.support.max_len=5", "--set",
                                       "task.support.min_len=1", "--set", "task.support.stop=[\".\", \"!\", \"?\", \",\"]"}));
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_THAT(plain.err, AllOf(HasSubstr("no gfn_sampler.json"), HasSubstr("1 to 5 tokens")));
  const std::vector<json> of_plain = Lines(plain.out);
  ASSERT_EQ(of_plain.size(), 9u);
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(of_plain[i]["ids"], of_run[i]["ids"]);
  // What would make another sampler of it, or means nothing.
  const auto refused = [&](std::vector<std::string> arguments) {
    const GfnResult result = Sample(with(std::move(arguments)));
    EXPECT_NE(result.exit_code, 0);
    EXPECT_EQ(result.out, "");
    return result.err;
  };
  EXPECT_THAT(refused({"model.bin", "--adapter", "run/adapter", "--set", "model.tokenizer=tokenizer.gguf", "--set",
                       "task.support.max_len=4"}),
              HasSubstr("run/adapter/gfn_sampler.json"));
  EXPECT_THAT(refused({"run", "--adapter", "plain"}), HasSubstr("adapter of its own"));
  EXPECT_THAT(refused({"model.bin", "--adapter", "run", "--set", "model.tokenizer=tokenizer.gguf"}),
              HasSubstr("did you mean run/adapter?"));
}

// A run that starts from an adapter goes on from it, and a resume sees that it is another one now.
TEST_F(SampleLines, ARunStartsFromAnAdapter) {
  std::filesystem::copy(*tiny_ / "run/adapter", *tiny_ / "start", std::filesystem::copy_options::recursive);
  const auto keys = [](const std::string& max_steps) {
    return std::vector<std::string>{"lora={path: start}",       "lora.rank=null",           "task.simulation.attempts=0",
                                    "train.warm_start_steps=0", "checkpoint.every_steps=1", "train.max_steps=" + max_steps};
  };
  const std::vector<std::string> sample = {"second", "--input", "stories.jsonl", "--num", "1"};
  GfnResult result = RunGfn(tiny_->folder(), TinyRun::Train("second", keys("1")));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(tiny_->Read("second/resolved.yaml"), HasSubstr("path: start"));
  const std::vector<json> before = Sampled(sample);
  ASSERT_EQ(before.size(), 3u);
  // Other numbers of the same modules: the sampler is what it was, its training cannot go on.
  const std::string weights = *tiny_ / "start/adapter_model.safetensors";
  std::vector<NamedTensor> tensors = ReadTensors(weights).value();
  for (NamedTensor& tensor : tensors) tensor.tensor = tensor.tensor + 0.01;
  ASSERT_TRUE(WriteTensors(weights, tensors).ok());
  EXPECT_EQ(Sampled(sample), before);
  result = RunGfn(tiny_->folder(), TinyRun::Train("second", keys("2"), true));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("start adapter: "));
  // Another scale: another sampler.
  json config = ReadJsonFile(*tiny_ / "start/adapter_config.json").value();
  config["lora_alpha"] = 1;
  ASSERT_TRUE(WriteJsonFile(*tiny_ / "start/adapter_config.json", config).ok());
  result = Sample(sample);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("ranks and scales of lora.path"));
}

// The same adapter as part of the frozen model and as the start of the policy would be applied twice.
TEST_F(SampleLines, NoAdapterIsAppliedTwice) {
  const GfnResult result =
      Sample({"tiny.yaml", "--adapter", "run/adapter", "--set", "model.adapter=run/adapter", "--input", "stories.jsonl"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_EQ(result.out, "");
  // gfn_sampler.json names the bare model as its base.
  EXPECT_THAT(result.err, HasSubstr("base_weight_hash"));
  std::filesystem::copy(*tiny_ / "run/adapter", *tiny_ / "bare", std::filesystem::copy_options::recursive);
  std::filesystem::remove(*tiny_ / "bare/gfn_sampler.json");
  const GfnResult bare = Sample({"tiny.yaml", "--adapter", "bare", "--set", "model.adapter=bare", "--input", "stories.jsonl"});
  EXPECT_EQ(bare.exit_code, 2);
  EXPECT_THAT(bare.err, HasSubstr("part of the frozen model already"));
}

// Numbers of every command are taken as they are written, or not at all.
TEST(Numbers, OnTheCommandLine) {
  const TestFolder folder;
  const auto refused = [&](const std::vector<std::string>& arguments) {
    const GfnResult result = RunGfn(folder.path(), arguments);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(arguments) << result.err;
    return result.err;
  };
  for (const char* number : {"18446744073709551616", "18446744073709551615", "9223372036854775808", "-1", "1.5", "1e3", "0x10",
                             "", " 1", "1 ", "+1", "seven", "nan"}) {
    EXPECT_THAT(refused({"sample", "run", "--seed", number}), HasSubstr("--seed"));
    EXPECT_THAT(refused({"estimate", "run", "--seed", number}), HasSubstr("--seed"));
  }
  EXPECT_THAT(refused({"estimate", "run", "--seed", "-5"}), HasSubstr("must be at least 0, found -5"));
  EXPECT_THAT(refused({"sample", "run", "--seed", "18446744073709551616"}), HasSubstr("18446744073709551616"));
  EXPECT_THAT(refused({"sample", "run", "--num", "0"}), HasSubstr("must be at least 1"));
  EXPECT_THAT(refused({"sample", "run", "--top-k", "-3"}), HasSubstr("--top-k"));
  for (const char* number : {"inf", "nan", "1e999", "0x1p3", "one", ""})
    EXPECT_THAT(refused({"sample", "run", "--temperature", number}), HasSubstr("--temperature"));
  EXPECT_THAT(refused({"estimate", "run", "--after", "0,1x"}), HasSubstr("--after"));
  EXPECT_THAT(refused({"estimate", "run", "--places", "0,18446744073709551616"}), HasSubstr("--places"));
  EXPECT_THAT(refused({"estimate", "run", "--confidence", "1e999"}), HasSubstr("--confidence"));
  EXPECT_THAT(refused({"eval", "run", "--samples", "99999999999999999999"}), HasSubstr("--samples"));
  EXPECT_THAT(refused({"bench", "infill", "--rank", "0"}), HasSubstr("--rank"));
  EXPECT_THAT(refused({"bench", "infill", "--threads", "2000"}), HasSubstr("--threads"));
  EXPECT_THAT(refused({"bench", "decode", "--new-tokens", "-1"}), HasSubstr("--new-tokens"));
}

// A world whose recipe takes a second.
std::string TrainWorld(const TestFolder& folder, const std::string& task) {
  EXPECT_TRUE(WriteFileAtomic(folder / "world.yaml", "threads: 1\ntask: " + task +
                                                         "\nobjective: {kind: tb}\ntrain: {max_steps: 3, rollouts: 8}\n"
                                                         "evaluation: {samples: 16}\n")
                  .ok());
  const GfnResult result = RunGfn(folder.path(), {"train", "world.yaml", "--out", "run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const GfnResult samples = RunGfn(folder.path(), {"sample", "run", "--num", "12"});
  EXPECT_EQ(samples.exit_code, 0) << samples.err;
  EXPECT_TRUE(WriteFileAtomic(folder / "samples.jsonl", samples.out).ok());
  return samples.out;
}

class WorldSamples : public testing::TestWithParam<std::pair<std::string, std::string>> {};
INSTANTIATE_TEST_SUITE_P(Kinds, WorldSamples,
                         testing::Values(std::pair{"hypergrid", "{kind: hypergrid, dimensions: 2, side: 4, backward: learned}"},
                                         std::pair{"windy", "{kind: windy_grid, dimensions: 2, side: 4, backward: learned}"},
                                         std::pair{"box", "{kind: box}"}, std::pair{"tree", "{kind: sequence}"}),
                         [](const auto& info) { return info.param.first; });

TEST_P(WorldSamples, FedBackGiveTheSameNumbers) {
  const TestFolder folder;
  const std::vector<json> drawn = Lines(TrainWorld(folder, GetParam().second));
  ASSERT_EQ(drawn.size(), 12u);
  const GfnResult result = RunGfn(folder.path(), {"sample", "run", "--score", "samples.jsonl"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> scored = Lines(result.out);
  ASSERT_EQ(scored.size(), drawn.size());
  for (size_t i = 0; i < drawn.size(); ++i) {
    EXPECT_EQ(scored[i]["text"], drawn[i]["text"]);
    EXPECT_EQ(scored[i]["actions"], drawn[i]["actions"]);
    ExpectSameNumbers(scored[i], drawn[i]);
    EXPECT_NEAR(scored[i]["log_pb"].get<double>(), drawn[i]["log_pb"].get<double>(), 1e-4);
  }
}

TEST(WorldSample, ScoresAnObjectByItsTextAndSaysWhatIsOutside) {
  const TestFolder folder;
  const std::vector<json> drawn = Lines(TrainWorld(folder, "{kind: hypergrid, dimensions: 2, side: 4}"));
  ASSERT_TRUE(WriteFileAtomic(folder / "given.jsonl", json{{"text", drawn[0]["text"]}}.dump() +
                                                          "\n{\"text\": \"(9, 9)\"}\n"
                                                          "{\"actions\": [0, 0, 0, 0, 2]}\n{\"actions\": [0]}\n")
                  .ok());
  const GfnResult result = RunGfn(folder.path(), {"sample", "run", "--score", "given.jsonl"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> lines = Lines(result.out);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0]["text"], drawn[0]["text"]);
  EXPECT_EQ(lines[0]["log_reward"], drawn[0]["log_reward"]);
  EXPECT_LT(lines[0]["log_pf"].get<double>(), 0);
  EXPECT_THAT(lines[1]["outside"].get<std::string>(), HasSubstr("no such object"));
  EXPECT_THAT(lines[2]["outside"].get<std::string>(), HasSubstr("not legal"));
  EXPECT_THAT(lines[3]["outside"].get<std::string>(), HasSubstr("not finished"));
  for (size_t i = 1; i < 4; ++i) EXPECT_TRUE(lines[i]["log_pf"].is_null());
  for (const char* wrong : {R"({"actions": []})", R"({"actions": [17]})", R"({"actions": ["a"]})", R"({"other": 1})",
                            R"x({"actions": [2], "text": "(1, 1)"})x"}) {
    ASSERT_TRUE(WriteFileAtomic(folder / "wrong.jsonl", std::string(wrong) + "\n").ok());
    const GfnResult refused = RunGfn(folder.path(), {"sample", "run", "--score", "wrong.jsonl"});
    EXPECT_EQ(refused.exit_code, 2) << wrong;
    EXPECT_THAT(refused.err, HasSubstr("wrong.jsonl:1")) << wrong;
  }
}

}  // namespace
}  // namespace gfn
