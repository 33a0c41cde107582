// Labels behind a latent rationale: what the reward compares, and how rationales vote.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/tensor/random.h"
#include "tasks/build.h"
#include "tasks/test_small_model.h"
#include "tasks/subjectivity/subjectivity_task.h"
#include "tasks/text/text_reference.h"

namespace gfn {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class Subjectivity : public testing::Test {
 protected:
  Status Load(const std::string& lines, const std::string& keys = "") {
    EXPECT_TRUE(WriteFileAtomic(folder_ / "train.jsonl", lines).ok());
    const std::string yaml = "model: {path: " + kSmallModels + "llama}\nthreads: 1\nseed: 3\n"
                             "task: {kind: subjectivity, data: {train: " + (folder_ / "train.jsonl") + "}, labels: [good, bad]" + keys +
                             "}\nlora: {rank: 2}\n";
    const auto config = ReadRunConfigText(yaml, "test");
    if (!config.ok()) return config.status();
    auto task = BuildTask(*config, {});
    if (!task.ok()) return task.status();
    task_ = *std::move(task);
    auto training = task_->LoadTraining(RunPaths{folder_.path()}, {});
    if (!training.ok()) return training.status();
    training_ = *std::move(training);
    return OkStatus();
  }
  const SequenceEnvironment& environment() const { return dynamic_cast<const SequenceEnvironment&>(*task_->sampler().environment); }
  const SequenceCondition& condition(size_t i) const { return environment().conditions().Get(training_.conditions[i]); }
  TestFolder folder_;
  std::unique_ptr<Task> task_;
  TrainingData training_;
};

const std::string kTwo =
    "{\"text\": \"The dog was big.\", \"label\": \"good\"}\n{\"text\": \"The dog was big.\", \"label\": \"bad\"}\n";

TEST_F(Subjectivity, ThePolicyDoesNotSeeTheLabelAndTheRewardComparesBoth) {
  ASSERT_TRUE(Load(kTwo).ok());
  ASSERT_EQ(training_.conditions.size(), 2u);
  EXPECT_EQ(condition(0).prompt, condition(1).prompt);
  ASSERT_EQ(condition(0).rivals.size(), 1u);
  EXPECT_EQ(condition(0).rivals[0], condition(1).y);
  EXPECT_EQ(condition(1).rivals[0], condition(0).y);
  // R of a rationale is that of the plain pass, and the label that is less likely behind it loses the penalty.
  const auto tokenizer = LoadTokenizer(kSmallModels + "llama").value();
  std::vector<int32_t> tokens = EncodeContinuation(*tokenizer, "so sad");
  ASSERT_LE(tokens.size(), 5u);
  tokens.push_back(static_cast<int32_t>(environment().support().stop_ids[0]));
  const auto batch = MakeTokenBatch(environment(), training_.conditions, {tokens, tokens});
  ASSERT_TRUE(batch.ok()) << batch.status();
  const auto value = task_->sampler().reward->LogReward(*batch);
  ASSERT_TRUE(value.ok()) << value.status();
  const at::Tensor& log_p_y = value->terms.at("log_p_y");
  const int64_t loser = log_p_y[0].item<double>() < log_p_y[1].item<double>() ? 0 : 1;
  EXPECT_EQ(value->terms.at("rival")[loser].item<double>(), -50);
  EXPECT_EQ(value->terms.at("rival")[1 - loser].item<double>(), 0);
  EXPECT_NEAR((value->log_reward_B[1 - loser] - value->log_reward_B[loser]).item<double>(),
              50 + std::abs((log_p_y[0] - log_p_y[1]).item<double>()), 1e-4);
  const auto source = OpenModel(kSmallModels + "llama").value();
  const auto model = LanguageModel::Load(*source, {ModelDtype::kFloat64, at::kCPU}).value();
  for (size_t i = 0; i < 2; ++i) {
    std::vector<int32_t> read = tokens;
    read.insert(read.end(), condition(i).y.begin(), condition(i).y.end());
    const std::vector<int32_t> all = read;
    read.pop_back();
    const at::Tensor log_p = PlainLogits(*model, nullptr, condition(i).x, read).log_softmax(-1);
    double sum = 0;
    for (size_t t = 0; t < all.size(); ++t) sum += log_p[static_cast<int64_t>(t)][all[t]].item<double>();
    const double penalty = static_cast<int64_t>(i) == loser ? 50 : 0;
    EXPECT_NEAR(value->log_reward_B[static_cast<int64_t>(i)].item<double>(), sum - penalty, 1e-3) << i;
  }
  ExpectGreen(*task_);
}

TEST_F(Subjectivity, RationalesOfOneTextVoteAgainstEachOthersLabels) {
  ASSERT_TRUE(Load(kTwo).ok());
  EvalRequest request;
  request.data = folder_ / "train.jsonl";
  request.samples = 16;
  const auto result = task_->Evaluate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  // The same text twice with either label: one of the two is right. (The draws differ between the two, so only means over both
  // labels are known where every rationale prefers the same label.)
  const json& trained = result->numbers["samplers"]["trained"];
  const double accuracy = trained["accuracy"]["mean"];
  EXPECT_GT(accuracy, 0.2);
  EXPECT_LT(accuracy, 0.8);
  EXPECT_GT(trained["p_label"]["mean"].get<double>(), 0.2);
  EXPECT_LT(trained["p_label"]["mean"].get<double>(), 0.8);
}

TEST_F(Subjectivity, ALabelThatIsNoneIsNamedWithItsLine) {
  const Status unknown = Load(kTwo + "{\"text\": \"It was so.\", \"label\": \"goood\"}\n");
  EXPECT_FALSE(unknown.ok());
  EXPECT_THAT(Message(unknown), AllOf(HasSubstr("train.jsonl:3"), HasSubstr("goood"), HasSubstr("good, bad")));
  EXPECT_THAT(Message(Load(kTwo, ", answer: 'so it is.'")), HasSubstr("does not contain {Y}"));
  EXPECT_FALSE(Load("{\"text\": \"It was so.\"}\n").ok()) << "a training line without a label";
}

}  // namespace
}  // namespace gfn
