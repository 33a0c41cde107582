// The continuation task against the exact target of a real language model: vocabulary and length are cut so that every
// continuation can be listed, and the task is trained, evaluated and sampled through the code of the commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/tensor/categorical.h"
#include "gflownet/tensor/device.h"
#include "tasks/build.h"
#include "tasks/continuation/continuation_task.h"
#include "tasks/text/text_reference.h"
#include "tasks/text/text_task.h"
#include "tasks/training.h"

namespace gfn {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kModel = std::string(GFN_SOURCE_DIR) + "/tests/golden/small/llama";
// it, her, with, not, one; and the stop ".".
const std::vector<int64_t> kLegal = {313, 329, 350, 366, 402};
constexpr int64_t kStop = 460, kMaxLen = 3;
constexpr double kTemperature = 0.6;

double Tv(const std::vector<double>& log_p, const std::vector<double>& log_q) {
  double sum = 0;
  for (size_t i = 0; i < log_p.size(); ++i) sum += std::abs(std::exp(log_p[i]) - std::exp(log_q[i]));
  return sum / 2;
}

std::vector<double> Tempered(std::vector<double> log_weight, double temperature) {
  for (double& x : log_weight) x /= temperature;
  const double log_z = LogSumExp(log_weight);
  for (double& x : log_weight) x -= log_z;
  return log_weight;
}

class Continuation : public testing::Test {
 protected:
  void SetUp() override {
    SetNumThreads(1);
    ASSERT_TRUE(WriteFileAtomic(folder_ / "prompts.txt", "The bus was late. She was\nThe boy had a dog. It was\n").ok());
    const std::string yaml = "model: {path: " + kModel +
                             "}\nthreads: 1\nseed: 3\n"
                             "task: {kind: continuation, data: {train: " +
                             (folder_ / "prompts.txt") +
                             "},\n"
                             "  baselines: [{name: untrained, prompt: '{X}'}, {name: told, prompt: 'It was not. {X}'}]}\n"
                             "lora: {rank: 16, alpha: 32}\n"
                             "train:\n  max_steps: 150\n  conditions_per_step: 2\n  rollouts: 32\n"
                             "  reward_temperature: {start: 0.6, end: 0.6}\n"
                             "  behaviour: {on_policy: 0.5, tempered: 0.25, replay: 0.25, per_rollout: true}\n"
                             "optimizer: {learning_rate: 5e-3, beta2: 0.99, schedule: {warmup_steps: 10, decay: cosine, "
                             "decay_steps: 140, final_fraction: 0.02}}\n";
    auto config = ReadRunConfigText(yaml, "test");
    ASSERT_TRUE(config.ok()) << config.status();
    config_ = *config;
    // Few enough objects to list: the support of a sampler file names tokens by their ids.
    SamplerFile file;
    file.support = {.vocab_size = 0, .legal = std::vector<bool>(512), .stop_ids = {kStop}, .min_len = 1, .max_len = kMaxLen};
    for (const int64_t id : kLegal) file.support.legal[id] = true;
    auto task = OpenTextSampler(MakeTextKind(std::get<ContinuationConfig>(config_.task)), config_, file, {});
    ASSERT_TRUE(task.ok()) << task.status();
    task_ = *std::move(task);
    auto training = task_->LoadTraining(RunPaths{folder_.path()}, {});
    ASSERT_TRUE(training.ok()) << training.status();
    training_ = *std::move(training);
    ASSERT_EQ(training_.conditions.size(), 2u);
    std::vector<std::vector<int32_t>> level = {{}};
    for (int64_t length = 0; length < kMaxLen; ++length) {
      std::vector<std::vector<int32_t>> next;
      for (const std::vector<int32_t>& inner : level) {
        for (const int64_t id : kLegal) {
          next.push_back(inner);
          next.back().push_back(static_cast<int32_t>(id));
          objects_.push_back(next.back());
          objects_.back().push_back(kStop);
        }
      }
      level = std::move(next);
    }
    ASSERT_EQ(objects_.size(), 5u + 25 + 125);
  }

  const SequenceEnvironment& environment() const {
    return dynamic_cast<const SequenceEnvironment&>(*task_->sampler().environment);
  }
  TrajectoryBatch AllObjects(ConditionId id) const {
    return MakeTokenBatch(environment(), std::vector<ConditionId>(objects_.size(), id), objects_).value();
  }
  // log p(z stop | x) of every object, by one plain pass each of the model in float64.
  std::vector<double> ExactLogR(ConditionId id) const {
    const auto source = OpenModel(kModel).value();
    const auto model = LanguageModel::Load(*source, {ModelDtype::kFloat64, at::kCPU}).value();
    std::vector<double> log_r;
    for (const std::vector<int32_t>& tokens : objects_) {
      const std::vector<int32_t> read(tokens.begin(), tokens.end() - 1);
      const at::Tensor log_p = PlainLogits(*model, nullptr, environment().conditions().Get(id).x, read).log_softmax(-1);
      double sum = 0;
      for (size_t i = 0; i < tokens.size(); ++i) sum += log_p[static_cast<int64_t>(i)][tokens[i]].item<double>();
      log_r.push_back(sum);
    }
    return log_r;
  }
  std::vector<double> LogQ(ConditionId id) const {
    const at::Tensor log_q = task_->sampler()
                                 .policy->Score(AllObjects(id), {.needs = Need::kLogPf, .with_grad = false})
                                 .log_pf_BT.sum(1)
                                 .to(at::kDouble);
    return {log_q.const_data_ptr<double>(), log_q.const_data_ptr<double>() + log_q.numel()};
  }
  void Train() {
    auto parts = MakeTraining(config_, *task_, training_, folder_.path());
    ASSERT_TRUE(parts.ok()) << parts.status();
    TrainingLoop& loop = parts->loop();
    for (int64_t step = 0; step < config_.train.limits.max_steps; ++step) {
      const auto metrics = loop.Step();
      ASSERT_TRUE(metrics.ok()) << metrics.status();
    }
  }

  TestFolder folder_;
  RunConfig config_;
  std::unique_ptr<Task> task_;
  TrainingData training_;
  std::vector<std::vector<int32_t>> objects_;  // with their stop
};

TEST_F(Continuation, TheSamplerLearnsTheExactTemperedTarget) {
  std::vector<std::vector<double>> target, log_r;
  for (const ConditionId id : training_.conditions) {
    log_r.push_back(ExactLogR(id));
    target.push_back(Tempered(log_r.back(), kTemperature));
    // The reward of the task is the likelihood of the continuation and its stop.
    const auto reward = task_->sampler().reward->LogReward(AllObjects(id));
    ASSERT_TRUE(reward.ok()) << reward.status();
    for (size_t i = 0; i < objects_.size(); ++i)
      ASSERT_NEAR(reward->log_reward_B[static_cast<int64_t>(i)].item<double>(), log_r.back()[i], 1e-4) << i;
    EXPECT_GT(Tv(target.back(), LogQ(id)), 0.2) << "the untrained model is another distribution";
    EXPECT_GT(Tv(target.back(), Tempered(log_r.back(), 1)), 0.1) << "and so is the target without its temperature";
  }
  Train();
  for (size_t c = 0; c < target.size(); ++c) EXPECT_LT(Tv(target[c], LogQ(training_.conditions[c])), 0.05) << c;

  // Evaluations measure against R^(1/T): both bounds are near its log Z, and the baseline's are below.
  EvalRequest request;
  request.data = folder_ / "prompts.txt";
  request.samples = 256;
  const auto result = task_->Evaluate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  double log_z = 0;
  for (const auto& of_condition : log_r) {
    std::vector<double> tempered = of_condition;
    for (double& x : tempered) x /= kTemperature;
    log_z += LogSumExp(tempered) / static_cast<double>(log_r.size());
  }
  const json& samplers = result->numbers["samplers"];
  EXPECT_NEAR(samplers["trained"]["elbo"]["mean"].get<double>(), log_z, 0.05);
  EXPECT_NEAR(samplers["trained"]["iw_bound"]["mean"].get<double>(), log_z, 0.05);
  EXPECT_LT(samplers["untrained"]["elbo"]["mean"].get<double>(), log_z - 0.1);
  EXPECT_GE(samplers["trained"]["max_log_p"]["mean"].get<double>(), samplers["trained"]["log_reward"]["mean"].get<double>());
  EXPECT_GT(samplers["trained"]["log_p_token"]["mean"].get<double>(), samplers["trained"]["log_reward"]["mean"].get<double>());
  EXPECT_FALSE(samplers["trained"].contains("bleu4")) << "there are no references";
  EXPECT_EQ(result->numbers["temperature"], kTemperature);
  // Every sampler of the configuration, by its name.
  EXPECT_EQ(result->numbers["order"], json({"trained", "untrained", "told"}));
  EXPECT_NE(samplers["told"]["elbo"], samplers["untrained"]["elbo"]);
  EXPECT_TRUE(result->numbers["paired"]["trained_minus_told"].contains("elbo"));
  EXPECT_THAT(result->table.note, HasSubstr("T = 0.6"));

  // The page of a report shows that evaluation.
  json record = result->numbers;
  record.update(result->pictures);
  report::Report page;
  const Status reported = MakePlan(config_)->Report({.lines = {}, .evaluations = {{"data", record}}}, page);
  ASSERT_TRUE(reported.ok()) << reported;
  EXPECT_EQ(page.sections.size(), 2u);
}

TEST_F(Continuation, LinesHaveNoEnding) {
  std::vector<json> lines, scored;
  SampleRequest request;
  request.input = folder_ / "prompts.txt";
  request.num = 2;
  const Status sampled = task_->Sample(request, [&](const json& line) {
    lines.push_back(line);
    return OkStatus();
  });
  ASSERT_TRUE(sampled.ok()) << sampled;
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[2]["x"], "The boy had a dog. It was");
  EXPECT_EQ(lines[2]["id"], "2");
  EXPECT_FALSE(lines[2].contains("y"));
  // What was drawn is scored with the same numbers.
  std::string text;
  for (const json& line : lines) text += line.dump() + "\n";
  ScoreRequest given;
  given.file = folder_ / "samples.jsonl";
  ASSERT_TRUE(WriteFileAtomic(given.file, text).ok());
  const Status status = task_->Score(given, [&](const json& line) {
    scored.push_back(line);
    return OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(scored.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(scored[i]["ids"], lines[i]["ids"]);
    EXPECT_NEAR(scored[i]["log_pf"].get<double>(), lines[i]["log_pf"].get<double>(), 1e-4);
  }
}

TEST_F(Continuation, DoctorIsGreen) {
  const auto examination = task_->Examine();
  ASSERT_TRUE(examination.ok()) << examination.status();
  for (const Check& check : examination->checks)
    EXPECT_TRUE(check.ok()) << check.name << ": " << check.found << " of " << check.allowed << " " << check.detail;
}

TEST(ContinuationKeys, AnEndingIsNone) {
  const auto read = [](const std::string& keys) {
    const auto config =
        ReadRunConfigText("model: {path: m}\ntask: {kind: continuation, data: {train: a.txt" + keys + "}}\n", "test");
    return config.ok() ? "accepted" : std::string(Message(config.status()));
  };
  EXPECT_EQ(read(""), "accepted");
  EXPECT_THAT(read(", fields: {y: [end]}"), HasSubstr("unknown key 'y'"));
  EXPECT_THAT(read(", validation: b.txt, held_out: {validation: 3}"), HasSubstr("held_out.validation"));
  EXPECT_EQ(read(", held_out: {validation: 3, test: 2}"), "accepted");
}

}  // namespace
}  // namespace gfn
