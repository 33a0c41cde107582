// A kind of world that the program brings along (tasks/world/own_world.h): its keys, its training, its mistakes.
#include "tasks/world/own_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/check.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/env/row_world.h"
#include "gflownet/tensor/exceptions.h"
#include "tasks/build.h"
#include "tasks/training.h"
#include "tasks/world/world.h"

namespace gfn {
namespace {

using testing::HasSubstr;

enum class CoinMistake { kNone, kNan, kEndless, kUndo, kThrows, kRare };
GFN_ENUM_TABLE(CoinMistake, {CoinMistake::kNone, "none", ""}, {CoinMistake::kNan, "nan", ""},
               {CoinMistake::kEndless, "endless", ""}, {CoinMistake::kUndo, "undo", ""}, {CoinMistake::kThrows, "throws", ""},
               {CoinMistake::kRare, "rare", ""})

// Coins laid down one after the other; R grows with the heads.
struct CoinsConfig {
  static constexpr std::string_view kKind = "coins";
  int64_t num = 6;
  double weight = 0.5;
  int64_t most = 64;
  CoinMistake mistake = CoinMistake::kNone;
  template <class V>
  void Visit(V& v) {
    v("num", num, "coins", Between(1, 64));
    v("weight", weight, "log R of a head");
    v("most", most, "more coins are refused");
    v("mistake", mistake, "made on purpose");
  }
  void Validate(ConfigErrors& errors) const {
    if (num > most) errors.Add("num", "is above most");
  }
};

class Coins : public RowWorld {
 public:
  explicit Coins(const CoinsConfig& config)
      : RowWorld({.name = "coins", .num_actions = 2, .is_tree = true, .max_steps = config.num}, config.num, 2), config_(config) {}
  bool RowIsDone(const int32_t* row) const override {
    return config_.mistake != CoinMistake::kEndless && row[config_.num - 1] >= 0;
  }
  bool IsLegal(const int32_t*, int64_t) const override { return true; }
  void StepRow(int32_t* row, int64_t side) const override {
    if (config_.mistake == CoinMistake::kThrows) throw std::runtime_error("the coin is lost");
    int32_t* open = std::find(row, row + config_.num, -1);
    if (open != row + config_.num) *open = static_cast<int32_t>(side);
  }
  void UndoRow(int32_t* row, int64_t) const override {
    *(std::find(row, row + config_.num, -1) - 1) = config_.mistake == CoinMistake::kUndo ? 0 : -1;
  }
  double LogRewardOfRow(const int32_t* row) const override {
    const auto heads = std::count(row, row + config_.num, 1);
    if (config_.mistake == CoinMistake::kNan && heads == config_.num) return NAN;
    // One of 2^40 objects, which only training may meet.
    if (config_.mistake == CoinMistake::kRare && heads > config_.num / 2 + 5) return INFINITY;
    return config_.weight * static_cast<double>(heads);
  }

 private:
  CoinsConfig config_;
};

RunConfig Config(const std::string& task, const std::string& more = "") {
  const auto config =
      ReadRunConfigText("threads: 1\ntask: {kind: coins, " + task + "}\nobjective: {kind: tb}\n" + more, "test.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return *config;
}

std::string Refusal(const std::string& task) {
  const ThrowOnCheckFailure throws;
  const Status status = CatchExceptions("build", [&]() -> Status {
    ASSIGN_OR_RETURN(const RunConfig config,
                     ReadRunConfigText("task: {kind: coins, " + task + "}\nobjective: {kind: tb}\n", "test.yaml"));
    return BuildTask(config, {}).status();
  });
  return status.ok() ? "accepted" : Message(status);
}

class OwnWorlds : public testing::Test {
 public:
  static void SetUpTestSuite() {
    EXPECT_TRUE(OwnWorld::kKind.empty());
    EXPECT_THAT(Refusal("num: 3"), HasSubstr("unknown kind 'coins'"));
    OfferOwnWorld(MakeOwnWorldKind(BuildRowWorld<Coins, CoinsConfig>));
  }
};

TEST_F(OwnWorlds, HaveTheirKeysLikeEveryKind) {
  EXPECT_EQ(Refusal("num: 3"), "accepted");
  EXPECT_THAT(Refusal("nun: 3"), HasSubstr("did you mean 'num'"));
  EXPECT_THAT(Refusal("num: 65"), HasSubstr("task.num"));
  EXPECT_THAT(Refusal("num: 9, most: 8"), HasSubstr("is above most"));
  EXPECT_THAT(Refusal("mistake: typo"), HasSubstr("choices: none, nan"));
  const RunConfig config = Config("num: 3, policy: {kind: mlp, width: 32}");
  EXPECT_EQ(TaskKind(config), "coins");
  const std::string text = WriteConfig(config);
  const auto again = ReadRunConfigText(text, "again.yaml");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(WriteConfig(*again), text);
  const auto differences = DiffConfigs(config, Config("num: 4, policy: {kind: mlp, width: 32}"));
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(FormatDifference(differences[0]), "task.num: 3 -> 4");
  EXPECT_THAT(ConfigReference(), HasSubstr("`task.weight`"));
}

TEST_F(OwnWorlds, TrainToTheirTargetAndAreExamined) {
  const TestFolder folder;
  const RunConfig config =
      Config("policy: {kind: mlp, width: 32}",
             "train: {max_steps: 600, rollouts: 32}\noptimizer: {learning_rate: 5e-3, groups: [{group: log_z, "
             "learning_rate_scale: 20}]}\n");
  const auto task = BuildTask(config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto data = (*task)->LoadTraining(RunPaths{folder.path()}, {});
  ASSERT_TRUE(data.ok()) << data.status();
  const auto training = MakeTraining(config, **task, *data, "");
  ASSERT_TRUE(training.ok()) << training.status();
  for (int64_t step = 0; step < config.train.limits.max_steps; ++step) ASSERT_TRUE(training->trainer->Step().ok());
  const auto after = (*task)->Validate();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_LT(*after->metrics.Find("total_variation"), 0.05);
  EXPECT_NEAR(*after->metrics.Find("exact_log_z"), 6 * std::log1p(std::exp(0.5)), 1e-9);
  const auto examination = (*task)->Examine();
  ASSERT_TRUE(examination.ok()) << examination.status();
  bool asked = false;
  for (const Check& check : examination->checks) {
    EXPECT_TRUE(check.ok()) << check.name << " " << check.found;
    asked = asked || check.name.find("break their contract") != std::string::npos;
  }
  EXPECT_TRUE(asked);
}

TEST_F(OwnWorlds, AreRefusedWithTheirMistake) {
  EXPECT_THAT(Refusal("mistake: nan"), HasSubstr("log R is nan"));
  EXPECT_THAT(Refusal("mistake: endless"), HasSubstr("max_steps is 6"));
  EXPECT_THAT(Refusal("mistake: undo"), HasSubstr("Undo(Step(s, a), BackwardAction(s, a)) is not s"));
  EXPECT_THAT(Refusal("mistake: throws"), HasSubstr("the coin is lost"));
}

// Too many objects to list: trained and measured by samples. What is wrong far from the first draws ends the step, not the
// program.
TEST_F(OwnWorlds, MayBeTooLargeToBeListed) {
  const RunConfig config = Config("num: 40, weight: 1, mistake: rare, policy: {kind: mlp, width: 32}", "train: {rollouts: 64}\n");
  const auto task = BuildTask(config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto lines = MakePlan(config)->Describe();
  ASSERT_TRUE(lines.ok()) << lines.status();
  const auto training = MakeTraining(config, **task, (*task)->LoadTraining({}, {}).value(), "");
  ASSERT_TRUE(training.ok()) << training.status();
  Status status = OkStatus();
  for (int64_t step = 0; step < 2000 && status.ok(); ++step) status = training->trainer->Step().status();
  EXPECT_THAT(Message(status), HasSubstr("log R is inf"));
}

}  // namespace
}  // namespace gfn
