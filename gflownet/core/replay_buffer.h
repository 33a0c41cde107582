// Finished objects worth seeing again, per condition: the best of each, without near-duplicates, drawn without replacement.
// Stores untempered rewards; the temperature is an argument of sampling. Deterministic: the contents follow from the sequence of
// Add calls, a draw from its key. For discrete, deterministic worlds.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/condition.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

struct ReplayConfig {
  int64_t capacity = 50;
  double tolerance = 0.25;
  bool uniform = false;
  double tau = 1;
  double diversity = 0;

  template <class V>
  void Visit(V& v) {
    v("capacity", capacity, "objects kept per condition; the lowest reward leaves first", AtLeast(1));
    v("tolerance", tolerance,
      "of two objects whose edit distance is below (length_a + length_b) * tolerance the better one stays; "
      "0 drops exact copies only",
      Between(0, 1));
    v("uniform", uniform, "draw uniformly instead of by reward");
    v("tau", tau, "draw without replacement with weight exp(log R / (T tau)), T the current reward temperature", Positive());
    v("diversity", diversity,
      "after the first object of a draw, weights are multiplied by d^diversity, d the least edit distance to "
      "those drawn as a share of length_a + length_b",
      NonNegative());
  }
};

class ReplayBuffer {
 public:
  // The digests are Environment::SupportDigest() and Reward::Digest() of the run.
  ReplayBuffer(const ReplayConfig& config, std::string support_digest, std::string reward_digest);

  // Offers every row, whose rewards must have been evaluated. Of near-duplicates (edit distance of the actions, the stop
  // included) the better reward stays, the older among equals. Returns how many rows were taken in.
  int64_t Add(const TrajectoryBatch& batch);

  // At most `num` distinct objects of one condition; fewer where fewer are stored (the caller fills up with rollouts); size() 0
  // where there are none. Gumbel top-n (Kool et al. 1903.06059): row order is the order of the draw. With `diversity` one object
  // after the other, the weights of those left depending on those drawn; num * NumItems edit distances.
  TrajectoryBatch Sample(ConditionId condition, int64_t num, double reward_temperature, const RngKey& key) const;

  // Everything stored of one condition, or of all, in order of arrival.
  TrajectoryBatch Contents(ConditionId condition) const;
  TrajectoryBatch Contents() const;
  int64_t NumItems(ConditionId condition) const;
  int64_t NumItems() const;

  // One safetensors file, the digests in its metadata.
  Status Save(const std::string& path) const;
  // Replaces the contents; a file that is refused changes nothing. Another support digest is refused; with another reward
  // digest the stored rewards are dropped and HasRewards() is false until Recompute.
  Status Load(const std::string& path);
  // Forgets the objects of all other conditions (a data file was edited since they were stored); how many they were.
  int64_t KeepConditions(const std::set<ConditionId>& conditions);
  bool HasRewards() const { return has_rewards_; }
  // Evaluates the rewards of everything stored, `batch_size` rows at a time; `along` as in EvaluateReward.
  Status Recompute(const Reward& reward, bool along, int64_t batch_size);

 private:
  struct Item {
    std::vector<int64_t> actions;
    std::vector<int64_t> backward_actions;  // empty for a tree
    std::vector<char> stop_legal;           // empty where no action stops
    std::vector<double> log_reward_along;   // empty without a PrefixReward
    double log_reward = 0;
    std::map<std::string, double> terms;
  };
  static std::vector<Item> ToItems(const TrajectoryBatch& batch);
  static TrajectoryBatch ToBatch(const std::vector<std::pair<ConditionId, const Item*>>& items);
  bool Offer(std::vector<Item>& stored, Item item) const;
  // Indices of at most `num` items in the order of a draw by these log weights, all at once or spread out.
  std::vector<size_t> DrawAtOnce(const std::vector<double>& log_weights, size_t num, uint64_t stream, const RngKey& key) const;
  std::vector<size_t> DrawSpread(const std::vector<Item>& stored, const std::vector<double>& log_weights, size_t num,
                                 uint64_t stream, const RngKey& key) const;

  ReplayConfig config_;
  std::string support_digest_;
  std::string reward_digest_;
  bool has_rewards_ = true;
  std::map<ConditionId, std::vector<Item>> items_;  // in order of arrival
};

// Levenshtein distance of two token sequences, or `limit` if it is at least that.
int64_t TokenDistance(const std::vector<int64_t>& a, const std::vector<int64_t>& b, int64_t limit);

}  // namespace gfn
