#include "gflownet/core/replay_buffer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

namespace gfn {
namespace {

const ConditionId kCondition = HashCondition("c");

// One row per token list; the last token is the stop.
TrajectoryBatch Batch(const std::vector<std::vector<int64_t>>& rows, const std::vector<double>& log_rewards,
                      ConditionId condition = kCondition) {
  std::vector<TrajectoryBatch> parts;
  for (size_t i = 0; i < rows.size(); ++i) {
    TrajectoryBatch row;
    row.condition_ids = {condition};
    row.actions_BT = at::tensor(rows[i], at::kLong).unsqueeze(0);
    row.lengths_B = at::full({1}, static_cast<int64_t>(rows[i].size()), at::kLong);
    row.stop_legal_BT = at::ones_like(row.actions_BT, at::kBool);
    row.log_reward_B = at::full({1}, log_rewards[i], at::kDouble);
    row.log_reward_along_BT = at::arange(row.num_steps(), at::kDouble).unsqueeze(0) + log_rewards[i];
    row.reward_terms["part"] = row.log_reward_B * 2;
    parts.push_back(row);
  }
  return Concatenate(parts);
}

std::vector<double> Rewards(const TrajectoryBatch& batch) {
  if (batch.size() == 0) return {};
  const at::Tensor values = batch.log_reward_B.contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

ReplayBuffer Make(const ReplayConfig& config, const std::string& reward = "reward") { return {config, "support", reward}; }

// Twice the rewards that the buffer was filled with; counts rows.
class OtherReward : public Reward {
 public:
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override {
    return RewardValue{batch.lengths_B.to(at::kDouble), {}};
  }
  std::string Digest() const override { return "other"; }
};

class ReplayFile : public testing::Test {
 protected:
  ReplayFile() : path_((std::filesystem::temp_directory_path() / ("gfn_replay_" + std::to_string(getpid()))).string()) {}
  ~ReplayFile() override { std::filesystem::remove(path_); }
  std::string path_;
};

TEST(TokenDistance, IsLevenshtein) {
  EXPECT_EQ(TokenDistance({1, 2, 3}, {1, 2, 3}, 9), 0);
  EXPECT_EQ(TokenDistance({1, 2, 3}, {1, 3}, 9), 1);
  EXPECT_EQ(TokenDistance({}, {4, 5}, 9), 2);
  // k i t t e n -> s i t t i n g
  EXPECT_EQ(TokenDistance({11, 9, 20, 20, 5, 14}, {19, 9, 20, 20, 9, 14, 7}, 9), 3);
  EXPECT_EQ(TokenDistance({11, 9, 20, 20, 5, 14}, {19, 9, 20, 20, 9, 14, 7}, 2), 2);  // cut off
  EXPECT_EQ(TokenDistance({1, 2, 3, 4}, {5}, 2), 2);
}

TEST(ReplayBuffer, NearDuplicatesKeepTheBetter) {
  // Lengths 5 and 5 with tolerance 0.25 reach 2.5: distances 1 and 2 are near, 3 is not.
  ReplayBuffer buffer = Make({.tolerance = 0.25});
  EXPECT_EQ(buffer.Add(Batch({{1, 2, 3, 4, 0}}, {-5})), 1);
  EXPECT_EQ(buffer.Add(Batch({{1, 2, 3, 9, 0}}, {-6})), 0);  // near and worse
  EXPECT_EQ(buffer.Add(Batch({{1, 2, 3, 4, 0}}, {-5})), 0);  // the same
  EXPECT_EQ(buffer.Add(Batch({{1, 2, 7, 8, 0}}, {-4})), 1);  // near (2) and better: replaces
  EXPECT_EQ(Rewards(buffer.Contents(kCondition)), std::vector<double>{-4});
  EXPECT_EQ(buffer.Add(Batch({{1, 5, 5, 5, 0}}, {-9})), 1);  // 3 away
  EXPECT_EQ(buffer.NumItems(), 2);
  // Another condition has its own objects.
  EXPECT_EQ(buffer.Add(Batch({{1, 2, 7, 8, 0}}, {-4}, HashCondition("d"))), 1);
  EXPECT_EQ(buffer.NumItems(kCondition), 2);

  ReplayBuffer exact = Make({.tolerance = 0});
  EXPECT_EQ(exact.Add(Batch({{1, 2, 0}, {1, 3, 0}, {1, 2, 0}}, {-1, -2, -1})), 2);
}

TEST(ReplayBuffer, OneBetterObjectReplacesSeveralNearOnes) {
  ReplayBuffer buffer = Make({.tolerance = 0.25});
  buffer.Add(Batch({{1, 2, 3, 4, 0}, {1, 6, 7, 8, 0}}, {-5, -6}));
  ASSERT_EQ(buffer.NumItems(), 2);
  EXPECT_EQ(buffer.Add(Batch({{1, 2, 7, 4, 0}}, {-5.5})), 0);
  EXPECT_EQ(buffer.Add(Batch({{1, 2, 7, 8, 0}}, {-1})), 1);
  EXPECT_EQ(Rewards(buffer.Contents(kCondition)), std::vector<double>{-1});
}

TEST(ReplayBuffer, TheWorstLeavesWhenFull) {
  ReplayBuffer buffer = Make({.capacity = 2, .tolerance = 0});
  EXPECT_EQ(buffer.Add(Batch({{1, 0}, {2, 0}, {3, 0}, {4, 0}}, {-3, -1, -2, -9})), 3);
  EXPECT_EQ(Rewards(buffer.Contents(kCondition)), (std::vector<double>{-1, -2}));
}

TEST(ReplayBuffer, ADiverseDrawFavoursWhatIsFarFromThoseDrawn) {
  // Edit distances as shares of both lengths: first to second 1/8, first to third 3/8, second to third 3/8.
  constexpr double kDiversity = 2;
  ReplayBuffer buffer = Make({.tolerance = 0, .diversity = kDiversity});
  buffer.Add(Batch({{1, 2, 3, 0}, {1, 2, 4, 0}, {5, 6, 7, 0}}, {0, 0.5, -1}));
  constexpr int kDraws = 6000;
  int firsts = 0, seconds = 0;  // the first object drawn first; then the second one next
  for (int draw = 0; draw < kDraws; ++draw) {
    const TrajectoryBatch drawn = buffer.Sample(kCondition, 3, 1, {1, RngPurpose::kReplay, static_cast<uint64_t>(draw)});
    ASSERT_EQ(drawn.size(), 3);
    const std::vector<double> rewards = Rewards(drawn);
    if (rewards[0] != 0) continue;
    ++firsts;
    if (rewards[1] == 0.5) ++seconds;
  }
  const double p_first = 1 / (1 + std::exp(0.5) + std::exp(-1.0));
  const double near = std::exp(0.5) * std::pow(1.0 / 8, kDiversity), far = std::exp(-1.0) * std::pow(3.0 / 8, kDiversity);
  const double p_second = near / (near + far);
  EXPECT_NEAR(firsts, kDraws * p_first, 5 * std::sqrt(kDraws * p_first * (1 - p_first)));
  EXPECT_NEAR(seconds, firsts * p_second, 5 * std::sqrt(firsts * p_second * (1 - p_second)));
  // Without it the second one, which is worth more, would come next more often than not.
  EXPECT_LT(p_second, 0.5);
}

TEST(ReplayBuffer, DrawsWithoutReplacementAndFillsNoGaps) {
  ReplayBuffer buffer = Make({.tolerance = 0});
  buffer.Add(Batch({{1, 0}, {2, 5, 0}, {3, 0}}, {-3, -1, -2}));
  TrajectoryBatch drawn = buffer.Sample(kCondition, 8, 1, {1, RngPurpose::kReplay, 0});
  ASSERT_EQ(drawn.size(), 3);
  std::vector<double> rewards = Rewards(drawn);
  std::sort(rewards.begin(), rewards.end());
  EXPECT_EQ(rewards, (std::vector<double>{-3, -2, -1}));
  // A row comes back whole.
  for (int64_t row = 0; row < 3; ++row) {
    if (drawn.log_reward_B[row].item<double>() != -1) continue;
    EXPECT_EQ(drawn.lengths_B[row].item<int64_t>(), 3);
    EXPECT_EQ(drawn.log_reward_along_BT[row][2].item<double>(), 1);
    EXPECT_EQ(drawn.reward_terms["part"][row].item<double>(), -2);
  }
  EXPECT_TRUE(drawn.Check().ok());
  EXPECT_EQ(buffer.Sample(HashCondition("unknown"), 4, 1, {}).size(), 0);
  EXPECT_EQ(buffer.Sample(kCondition, 0, 1, {}).size(), 0);
}

TEST(ReplayBuffer, TheFirstDrawFollowsTheWeights) {
  // With T tau = 0.5 the weights are exp(2 log R): 1, e^-2, e^-4 over their sum. 4,000 draws: standard error below 0.8 %.
  ReplayBuffer buffer = Make({.tolerance = 0, .tau = 2});
  buffer.Add(Batch({{1, 0}, {2, 0}, {3, 0}}, {0, -1, -2}));
  constexpr int kDraws = 4000;
  std::map<double, int> counts;
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t step = static_cast<uint64_t>(i);
    counts[Rewards(buffer.Sample(kCondition, 1, 0.25, {3, RngPurpose::kReplay, step}))[0]]++;
  }
  const double total = 1 + std::exp(-2.0) + std::exp(-4.0);
  EXPECT_NEAR(counts[0] / double{kDraws}, 1 / total, 0.03);
  EXPECT_NEAR(counts[-1] / double{kDraws}, std::exp(-2.0) / total, 0.03);
}

TEST_F(ReplayFile, RoundTripGivesTheSameDraws) {
  ReplayBuffer buffer = Make({.tolerance = 0});
  buffer.Add(Batch({{1, 0}, {2, 5, 6, 0}, {3, 0}}, {-3, -1, -2}));
  buffer.Add(Batch({{4, 0}, {5, 0}}, {-3, -8}, HashCondition("d")));
  ASSERT_TRUE(buffer.Save(path_).ok());
  ReplayBuffer loaded = Make({.tolerance = 0});
  const Status status = loaded.Load(path_);
  ASSERT_TRUE(status.ok()) << Message(status);
  EXPECT_EQ(loaded.NumItems(), 5);
  EXPECT_TRUE(loaded.HasRewards());
  const RngKey key{5, RngPurpose::kReplay, 9};
  const TrajectoryBatch a = buffer.Sample(kCondition, 2, 0.7, key), b = loaded.Sample(kCondition, 2, 0.7, key);
  EXPECT_TRUE(a.actions_BT.equal(b.actions_BT));
  EXPECT_TRUE(a.log_reward_along_BT.equal(b.log_reward_along_BT));
  EXPECT_TRUE(a.stop_legal_BT.equal(b.stop_legal_BT));
  EXPECT_TRUE(a.reward_terms.at("part").equal(b.reward_terms.at("part")));
}

TEST_F(ReplayFile, EmptyRoundTrip) {
  ASSERT_TRUE(Make({}).Save(path_).ok());
  ReplayBuffer loaded = Make({});
  const Status status = loaded.Load(path_);
  EXPECT_TRUE(status.ok()) << Message(status);
  EXPECT_EQ(loaded.NumItems(), 0);
}

TEST_F(ReplayFile, AnotherRewardDropsTheRewards) {
  ReplayBuffer buffer = Make({.tolerance = 0});
  buffer.Add(Batch({{1, 0}, {2, 5, 6, 0}, {3, 0}}, {-3, -1, -2}));
  ASSERT_TRUE(buffer.Save(path_).ok());
  ReplayBuffer loaded = Make({.tolerance = 0}, "other");
  ASSERT_TRUE(loaded.Load(path_).ok());
  EXPECT_FALSE(loaded.HasRewards());
  ASSERT_TRUE(loaded.Recompute(OtherReward(), false, 2).ok());
  EXPECT_TRUE(loaded.HasRewards());
  EXPECT_EQ(Rewards(loaded.Contents(kCondition)), (std::vector<double>{2, 4, 2}));
}

TEST_F(ReplayFile, AnotherSupportAndDamageAreRefused) {
  ReplayBuffer buffer = Make({.tolerance = 0});
  buffer.Add(Batch({{1, 0}}, {-3}));
  ASSERT_TRUE(buffer.Save(path_).ok());
  ReplayBuffer other({}, "other support", "reward");
  const Status status = other.Load(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(status).find("other support"), std::string::npos) << Message(status);

  std::ofstream(path_, std::ios::trunc) << "not a file of tensors";
  EXPECT_FALSE(buffer.Load(path_).ok());
  EXPECT_EQ(buffer.NumItems(), 1) << "a refused file changed the buffer";
}

}  // namespace
}  // namespace gfn
