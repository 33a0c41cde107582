// A mixture fitted by EM behind the interface of all tasks: from YAML to a model, a sampler of its posterior, and a checkpoint of
// both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "tasks/build.h"
#include "tasks/training.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string Text(const std::string& em, const std::string& more = "simulation: {num: 150}") {
  return "threads: 1\ntask: {kind: mixture, sigma: 0.5, policy: {kind: mlp, width: 32, depth: 1}, log_z: {kind: network, width: "
         "32, "
         "depth: 1}, em: {" +
         em + ", updates_per_step: 60}, " + more +
         "}\nobjective: {kind: tb}\ntrain: {conditions_per_step: 150, rollouts: 1}\n"
         "optimizer: {learning_rate: 0.01, clip_norm: 10}\nevaluation: {samples: 32}\n";
}

constexpr char kSampler[] = "e_step: {kind: sampler, max_updates: 60, sleep: {every: 1, rows: 100}}, m_step: {kind: closed_form}";

RunConfig Parsed(const std::string& text) {
  auto config = ReadRunConfigText(text, "test.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return *std::move(config);
}

struct Fitted {
  std::unique_ptr<Task> task;
  TrainingParts training;
};
StatusOr<Fitted> Make(const std::string& text) {
  ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfigText(text, "test.yaml"));
  Fitted fitted;
  ASSIGN_OR_RETURN(fitted.task, BuildTask(config, {}));
  ASSIGN_OR_RETURN(const TrainingData data, fitted.task->LoadTraining(RunPaths{"."}, {}));
  ASSIGN_OR_RETURN(fitted.training, MakeTraining(config, *fitted.task, data, ""));
  return fitted;
}

std::string Refused(const std::string& text) {
  const auto fitted = Make(text);
  return fitted.ok() ? "accepted" : std::string(Message(fitted.status()));
}

TEST(MixtureWorld, EmFitsIt) {
  auto run = Make(Text(kSampler));
  ASSERT_TRUE(run.ok()) << run.status();
  const auto before = run->task->Validate();
  ASSERT_TRUE(before.ok()) << before.status();
  for (int step = 0; step < 15; ++step) {
    const auto metrics = run->training.loop().Step();
    ASSERT_TRUE(metrics.ok()) << metrics.status();
    EXPECT_EQ(*metrics->Find("m_steps"), step + 1);
  }
  const auto after = run->task->Validate();
  ASSERT_TRUE(after.ok()) << after.status();
  auto exact = Make(Text("e_step: {kind: exact}, m_step: {kind: closed_form}"));
  ASSERT_TRUE(exact.ok()) << exact.status();
  for (int step = 0; step < 15; ++step) ASSERT_TRUE(exact->training.loop().Step().ok());
  const auto best = exact->task->Validate();
  const auto likelihood = [](const Evaluation& evaluation) { return *evaluation.metrics.Find("log_likelihood"); };
  EXPECT_GT(likelihood(*after), likelihood(*before) + 0.3);
  // It may be ahead: neither has converged.
  EXPECT_GT(likelihood(*after), likelihood(*best) - 0.05);
  EXPECT_EQ(after->score, likelihood(*after));
  EXPECT_GT(*before->metrics.Find("posterior_tv"), 0.5);
  EXPECT_LT(*after->metrics.Find("posterior_tv"), 0.25);
  // The posterior of single points, by the exact metrics of all worlds, says the same.
  EXPECT_LT(*after->metrics.Find("total_variation"), 0.3);

  // A checkpoint holds the sampler and the model.
  const TestFolder folder;
  ASSERT_TRUE(run->training.loop().Save(folder.path()).ok());
  auto again = BuildTask(Parsed(Text(kSampler)), {});
  ASSERT_TRUE(again.ok() && LoadTrained(folder.path(), **again).ok());
  EXPECT_EQ((*again)->Validate()->metrics, after->metrics);
  auto resumed = Make(Text(kSampler));
  ASSERT_TRUE(resumed.ok() && resumed->training.loop().Load(folder.path()).ok());
  EXPECT_EQ(*resumed->training.loop().Step(), *run->training.loop().Step());
}

TEST(MixtureWorld, DoctorIsGreenBeforeAndAfterTraining) {
  auto run = Make(Text(kSampler));
  ASSERT_TRUE(run.ok()) << run.status();
  for (int step = 0; step < 2; ++step) {
    const auto examination = run->task->Examine();
    ASSERT_TRUE(examination.ok()) << examination.status();
    for (const Check& check : examination->checks) EXPECT_TRUE(check.ok()) << check.name << ": " << check.found;
    ASSERT_TRUE(run->training.loop().Step().ok());
  }
}

TEST(MixtureWorld, PointsOfAFileAndWhatDoesNotFit) {
  const TestFolder folder;
  const std::string file = folder / "points.jsonl", data = "data: " + file;
  const auto write = [&](const std::string& text) { ASSERT_TRUE(WriteFileAtomic(file, text).ok()); };
  write("{\"x\": [1, 2]}\n{\"x\": [-1.5, 2e-1]}\n{\"x\": [0, 0]}\n{\"x\": [3, 3]}\n");
  EXPECT_THAT(Refused(Text(kSampler, data)), HasSubstr("only 4 conditions to train on")) << "the points are read";
  write("{\"x\": [1, 2]}\n{\"x\": [1, \"2\"]}\n");
  EXPECT_THAT(Refused(Text(kSampler, data)), AllOf(HasSubstr("points.jsonl:2"), HasSubstr("[number, number]")));
  write("{\"x\": [1, 2]}\n");
  EXPECT_THAT(Refused(Text(kSampler, data)), HasSubstr("fewer than the 4 groups"));
  EXPECT_THAT(Refused(Text("e_step: {kind: sampler, min_updates: 9, max_updates: 3}")), HasSubstr("min_updates"));
  EXPECT_THAT(Refused(Text("e_step: {kind: sampler, sleep: {only: true}}")), HasSubstr("sleep.every"));
  std::string tempered = Text(kSampler);
  tempered.replace(tempered.find("rollouts: 1}"), 12, "rollouts: 1, reward_temperature: {start: 2}}");
  EXPECT_THAT(Refused(tempered), HasSubstr("train.reward_temperature"));
}

}  // namespace
}  // namespace gfn
