// Labels behind a latent rationale: what the reward compares, and how rationales vote.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/tensor/random.h"
#include "llm/gfn/ending_likelihood.h"
#include "tasks/build.h"
#include "tasks/subjectivity/subjectivity_task.h"
#include "tasks/test_small_model.h"
#include "tasks/text/text_reference.h"
#include "tasks/training.h"

namespace gfn {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class Subjectivity : public testing::Test {
 protected:
  Status Load(const std::string& lines, const std::string& keys = "") {
    EXPECT_TRUE(WriteFileAtomic(folder_ / "train.jsonl", lines).ok());
    const std::string yaml = "model: {path: " + kSmallModels +
                             "llama}\nthreads: 1\nseed: 3\n"
                             "task: {kind: subjectivity, data: {train: " +
                             (folder_ / "train.jsonl") + "}, labels: [good, bad]" + keys + "}\nlora: {rank: 2}\n";
    const auto config = ReadRunConfigText(yaml, "test");
    if (!config.ok()) return config.status();
    config_ = *config;
    auto task = BuildTask(config_, {});
    if (!task.ok()) return task.status();
    task_ = *std::move(task);
    auto training = task_->LoadTraining(RunPaths{folder_.path()}, {});
    if (!training.ok()) return training.status();
    training_ = *std::move(training);
    return OkStatus();
  }
  const SequenceEnvironment& environment() const {
    return dynamic_cast<const SequenceEnvironment&>(*task_->sampler().environment);
  }
  const SequenceCondition& condition(size_t i) const { return environment().conditions().Get(training_.conditions[i]); }
  TestFolder folder_;
  RunConfig config_;
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

// EM: three updates of the sampler, then an M-step of the answers' own adapter.
const std::string kEm =
    ", answer_model: {lora: {rank: 4}, em: {e_step: {kind: sampler, min_updates: 3, max_updates: 3, samples: 8}, m_step: {kind: "
    "gradient, steps: 10, optimizer: {learning_rate: 1e-2}}}}";
const std::string kDifferent =
    "{\"text\": \"The dog was big.\", \"label\": \"good\"}\n{\"text\": \"She lost the ball.\", \"label\": \"bad\"}\n";

TEST_F(Subjectivity, AnMStepFitsTheAnswersAndTheRewardFollows) {
  ASSERT_TRUE(Load(kDifferent, kEm).ok());
  EvalRequest request;
  request.data = folder_ / "train.jsonl";
  request.samples = 16;
  const auto measure = [&] {
    const auto result = task_->Evaluate(request);
    EXPECT_TRUE(result.ok()) << result.status();
    return result->numbers["samplers"]["trained"];
  };
  const json before = measure();
  EXPECT_EQ(before["fitted_p_label"], before["p_label"]) << "a fresh adapter changes nothing";
  auto parts = MakeTraining(config_, *task_, training_, folder_.path());
  ASSERT_TRUE(parts.ok()) << parts.status();
  std::vector<double> log_joint;
  for (int step = 0; step < 9; ++step) {
    const auto metrics = parts->loop().Step();
    ASSERT_TRUE(metrics.ok()) << metrics.status();
    if (const double* found = metrics->Find("m_log_joint")) log_joint.push_back(*found);
  }
  ASSERT_EQ(log_joint.size(), 3u);
  const json after = measure();
  EXPECT_GT(after["fitted_p_label"]["mean"].get<double>(), before["p_label"]["mean"].get<double>() + 0.2);
  EXPECT_GT(after["fitted_vote"]["mean"].get<double>(), 0.9);
  // The reward is of the fitted answers: doctor's plain passes say so too.
  ExpectGreen(*task_);
  // A checkpoint holds them.
  ASSERT_TRUE(parts->loop().Save(folder_.path()).ok());
  const auto tokenizer = LoadTokenizer(kSmallModels + "llama").value();
  std::vector<int32_t> tokens = EncodeContinuation(*tokenizer, "so sad");
  tokens.push_back(static_cast<int32_t>(environment().support().stop_ids[0]));
  const auto log_reward = [&] {
    const auto batch = MakeTokenBatch(environment(), training_.conditions, {tokens, tokens}).value();
    return task_->sampler().reward->LogReward(batch).value().log_reward_B.clone();
  };
  const at::Tensor fitted = log_reward();
  ASSERT_TRUE(Load(kDifferent, kEm).ok());
  EXPECT_FALSE(at::equal(log_reward(), fitted));
  const Status loaded = LoadTrained(folder_.path(), *task_);
  ASSERT_TRUE(loaded.ok()) << loaded;
  EXPECT_TRUE(at::equal(log_reward(), fitted));
}

TEST_F(Subjectivity, EndingLikelihoodsAreThoseOfPlainPassesWithTheirGradient) {
  ASSERT_TRUE(Load(kTwo).ok());
  const auto source = OpenModel(kSmallModels + "llama").value();
  const auto model = LanguageModel::Load(*source, {ModelDtype::kFloat64, at::kCPU}).value();
  const auto answer = AnswerModel::Create({.lora = {.rank = 2, .targets = {}}, .em = {}}, *model, environment(), 1);
  ASSERT_TRUE(answer.ok()) << answer.status();
  {
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : (*answer)->parameters())
      at::Tensor(parameter.value).add_(NormalTensor({4, RngPurpose::kTest, 0}, parameter.value.sizes(), at::kDouble, 0), 0.05);
  }
  const auto tokenizer = LoadTokenizer(kSmallModels + "llama").value();
  std::vector<std::vector<int32_t>> objects;
  for (const char* text : {"so sad", "so"}) {
    objects.push_back(EncodeContinuation(*tokenizer, text));
    objects.back().push_back(static_cast<int32_t>(environment().support().stop_ids[0]));
  }
  const auto batch = MakeTokenBatch(environment(), training_.conditions, objects).value();
  const at::Tensor log_p_BE = EndingLogLikelihoods(*model, environment(), batch,
                                                   {.adapter = &(*answer)->adapter(), .with_grad = true, .dropout_key = {}});
  ASSERT_EQ(log_p_BE.sizes(), (std::vector<int64_t>{2, 2}));
  for (size_t b = 0; b < 2; ++b) {
    const std::vector<std::vector<int32_t>> endings = {condition(b).y, condition(b).rivals[0]};
    for (size_t e = 0; e < 2; ++e) {
      std::vector<int32_t> behind = objects[b];
      behind.insert(behind.end(), endings[e].begin(), endings[e].end() - 1);
      const at::Tensor log_p = PlainLogits(*model, &(*answer)->adapter(), condition(b).x, behind).log_softmax(-1);
      double sum = 0;
      for (size_t j = 0; j < endings[e].size(); ++j)
        sum += log_p[static_cast<int64_t>(objects[b].size() + j)][endings[e][j]].item<double>();
      EXPECT_NEAR(log_p_BE[static_cast<int64_t>(b)][static_cast<int64_t>(e)].item<double>(), sum, 1e-9);
    }
  }
  // The gradient of log p(x, z) along a direction, against differences.
  const auto mean = [&] { return (*answer)->LogJoint(batch).value().mean(); };
  (*answer)->parameters().ZeroGrad();
  mean().backward();
  double along = 0;
  std::vector<at::Tensor> directions;
  for (const Parameter& parameter : (*answer)->parameters()) {
    directions.push_back(NormalTensor({5, RngPurpose::kTest, directions.size()}, parameter.value.sizes(), at::kDouble, 0));
    along += (parameter.value.grad() * directions.back()).sum().item<double>();
  }
  const at::NoGradGuard no_grad;
  const double h = 1e-5;
  const auto moved = [&](double step) {
    size_t i = 0;
    for (const Parameter& parameter : (*answer)->parameters()) at::Tensor(parameter.value).add_(directions[i++], step);
    return mean().item<double>();
  };
  const double above = moved(h), below = moved(-2 * h);
  EXPECT_NEAR(along, (above - below) / (2 * h), 1e-5 * std::max(1.0, std::abs(along)));
}

TEST_F(Subjectivity, EmThatCannotBeRightIsRefused) {
  const auto refused = [&](const std::string& keys) {
    EXPECT_TRUE(Load(kDifferent, keys).ok());
    const auto parts = MakeTraining(config_, *task_, training_, folder_.path());
    return parts.ok() ? "accepted" : std::string(Message(parts.status()));
  };
  EXPECT_THAT(refused(", answer_model: {em: {m_step: {kind: closed_form}}}"), HasSubstr("closed form"));
  EXPECT_THAT(refused(", answer_model: {em: {e_step: {kind: exact}}}"), HasSubstr("list"));
  EXPECT_THAT(refused(", answer_model: {em: {e_step: {kind: sampler, sleep: {every: 2}}}}"), HasSubstr("sleep"));
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
