#include "gflownet/core/replay_buffer.h"

#include <cmath>
#include <cstdlib>
#include <numeric>

#include "gflownet/base/check.h"
#include "gflownet/core/trajectory_io.h"

namespace gfn {
namespace {

constexpr char kSupport[] = "support_digest";
constexpr char kReward[] = "reward_digest";

template <class T>
std::vector<T> Row(const at::Tensor& values_BT, int64_t row, int64_t length, at::ScalarType type) {
  if (!values_BT.defined()) return {};
  const at::Tensor values = values_BT[row].slice(0, 0, length).to(at::kCPU, type).contiguous();
  const T* data = static_cast<const T*>(values.data_ptr());
  return {data, data + length};
}

// Rows of different lengths below each other, padded with zeros; undefined if the first is empty.
template <class T>
at::Tensor Matrix(const std::vector<const std::vector<T>*>& rows, int64_t longest, at::ScalarType type) {
  if (rows.front()->empty()) return {};
  const at::Tensor result = at::zeros({static_cast<int64_t>(rows.size()), longest}, type);
  T* data = static_cast<T*>(result.data_ptr());
  for (size_t i = 0; i < rows.size(); ++i) std::copy(rows[i]->begin(), rows[i]->end(), data + i * longest);
  return result;
}

}  // namespace

int64_t TokenDistance(const std::vector<int64_t>& a, const std::vector<int64_t>& b, int64_t limit) {
  const int64_t size_a = static_cast<int64_t>(a.size()), size_b = static_cast<int64_t>(b.size());
  if (std::abs(size_a - size_b) >= limit) return limit;
  std::vector<int64_t> previous(size_b + 1), current(size_b + 1);
  std::iota(previous.begin(), previous.end(), 0);
  for (int64_t i = 1; i <= size_a; ++i) {
    current[0] = i;
    int64_t best = i;
    for (int64_t j = 1; j <= size_b; ++j) {
      const int64_t substitute = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({substitute, previous[j] + 1, current[j - 1] + 1});
      best = std::min(best, current[j]);
    }
    if (best >= limit) return limit;  // rows never get smaller
    std::swap(previous, current);
  }
  return std::min(previous[size_b], limit);
}

ReplayBuffer::ReplayBuffer(const ReplayConfig& config, std::string support_digest, std::string reward_digest)
    : config_(config), support_digest_(std::move(support_digest)), reward_digest_(std::move(reward_digest)) {}

std::vector<ReplayBuffer::Item> ReplayBuffer::ToItems(const TrajectoryBatch& batch) {
  GFN_CHECK(!batch.outcomes_BT.defined()) << "a replay buffer holds objects of deterministic worlds only";
  GFN_CHECK(batch.actions_BT.scalar_type() == at::kLong) << "a replay buffer holds objects of discrete worlds only";
  std::vector<Item> items(batch.size());
  for (int64_t row = 0; row < batch.size(); ++row) {
    const int64_t length = batch.lengths_B[row].item<int64_t>();
    Item& item = items[row];
    item.actions = Row<int64_t>(batch.actions_BT, row, length, at::kLong);
    item.backward_actions = Row<int64_t>(batch.backward_actions_BT, row, length, at::kLong);
    item.stop_legal = Row<char>(batch.stop_legal_BT, row, length, at::kChar);
    item.log_reward_along = Row<double>(batch.log_reward_along_BT, row, length, at::kDouble);
    if (batch.log_reward_B.defined()) item.log_reward = batch.log_reward_B[row].item<double>();
    for (const auto& [name, value_B] : batch.reward_terms) item.terms[name] = value_B[row].item<double>();
  }
  return items;
}

TrajectoryBatch ReplayBuffer::ToBatch(const std::vector<std::pair<ConditionId, const Item*>>& items) {
  TrajectoryBatch batch;
  if (items.empty()) return batch;
  std::vector<const std::vector<int64_t>*> actions, backward;
  std::vector<const std::vector<char>*> stop_legal;
  std::vector<const std::vector<double>*> along;
  std::vector<int64_t> lengths;
  std::vector<double> rewards;
  std::map<std::string, std::vector<double>> terms;
  for (const auto& [condition, item] : items) {
    batch.condition_ids.push_back(condition);
    actions.push_back(&item->actions);
    backward.push_back(&item->backward_actions);
    stop_legal.push_back(&item->stop_legal);
    along.push_back(&item->log_reward_along);
    lengths.push_back(static_cast<int64_t>(item->actions.size()));
    rewards.push_back(item->log_reward);
    for (const auto& [name, value] : item->terms) terms[name].push_back(value);
  }
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  batch.actions_BT = Matrix(actions, longest, at::kLong);
  batch.lengths_B = at::tensor(lengths, at::kLong);
  batch.backward_actions_BT = Matrix(backward, longest, at::kLong);
  batch.log_reward_along_BT = Matrix(along, longest, at::kDouble);
  batch.log_reward_B = at::tensor(rewards, at::kDouble);
  if (!stop_legal.front()->empty()) batch.stop_legal_BT = Matrix(stop_legal, longest, at::kChar).to(at::kBool);
  for (const auto& [name, values] : terms) {
    if (values.size() == items.size()) batch.reward_terms[name] = at::tensor(values, at::kDouble);
  }
  return batch;
}

bool ReplayBuffer::Offer(std::vector<Item>& stored, Item item) const {
  auto is_near = [&](const Item& other) {
    const double reach = static_cast<double>(item.actions.size() + other.actions.size()) * config_.tolerance;
    // Distance below `reach`, an exact copy in any case.
    const int64_t limit = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(reach)));
    return TokenDistance(item.actions, other.actions, limit) < limit;
  };
  std::vector<size_t> near;
  for (size_t i = 0; i < stored.size(); ++i) {
    if (!is_near(stored[i])) continue;
    if (stored[i].log_reward >= item.log_reward) return false;
    near.push_back(i);
  }
  for (auto i = near.rbegin(); i != near.rend(); ++i) stored.erase(stored.begin() + static_cast<int64_t>(*i));
  stored.push_back(std::move(item));
  if (static_cast<int64_t>(stored.size()) <= config_.capacity) return true;
  const auto worst =
      std::min_element(stored.begin(), stored.end(), [](const Item& a, const Item& b) { return a.log_reward < b.log_reward; });
  const bool is_new = worst == stored.end() - 1;
  stored.erase(worst);
  return !is_new;
}

int64_t ReplayBuffer::Add(const TrajectoryBatch& batch) {
  GFN_CHECK(has_rewards_) << "Recompute has not run";
  GFN_CHECK(batch.size() == 0 || batch.log_reward_B.defined()) << "EvaluateReward has not run";
  if (batch.size() == 0) return 0;
  std::vector<Item> items = ToItems(batch);
  int64_t taken = 0;
  for (int64_t row = 0; row < batch.size(); ++row) {
    if (Offer(items_[batch.condition_ids[row]], std::move(items[row]))) ++taken;
  }
  return taken;
}

std::vector<size_t> ReplayBuffer::DrawAtOnce(const std::vector<double>& log_weights, size_t num, uint64_t stream,
                                             const RngKey& key) const {
  std::vector<std::pair<double, size_t>> order;
  for (size_t i = 0; i < log_weights.size(); ++i) order.push_back({log_weights[i] + Gumbel(key, stream, i), i});
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  std::vector<size_t> drawn;
  for (size_t i = 0; i < std::min(num, order.size()); ++i) drawn.push_back(order[i].second);
  return drawn;
}

std::vector<size_t> ReplayBuffer::DrawSpread(const std::vector<Item>& stored, const std::vector<double>& log_weights, size_t num,
                                             uint64_t stream, const RngKey& key) const {
  std::vector<double> nearest(stored.size(), 1.0);  // to those drawn, as a share of both lengths
  std::vector<size_t> drawn;
  std::vector<char> is_drawn(stored.size(), 0);
  while (drawn.size() < std::min(num, stored.size())) {
    size_t best = stored.size();
    double highest = 0;
    for (size_t i = 0; i < stored.size(); ++i) {
      if (is_drawn[i]) continue;
      // A draw of its own: the weights are not those of the draw before.
      const double height =
          log_weights[i] + config_.diversity * std::log(nearest[i]) + Gumbel(key, stream, drawn.size() * stored.size() + i);
      if (best == stored.size() || height > highest) {
        best = i;
        highest = height;
      }
    }
    is_drawn[best] = 1;
    drawn.push_back(best);
    for (size_t i = 0; i < stored.size(); ++i) {
      const int64_t both = static_cast<int64_t>(stored[i].actions.size() + stored[best].actions.size());
      const int64_t distance = TokenDistance(stored[i].actions, stored[best].actions, both);
      nearest[i] = std::min(nearest[i], static_cast<double>(distance) / static_cast<double>(both));
    }
  }
  return drawn;
}

TrajectoryBatch ReplayBuffer::Sample(ConditionId condition, int64_t num, double reward_temperature, const RngKey& key) const {
  GFN_CHECK(has_rewards_) << "Recompute has not run";
  const auto place = items_.find(condition);
  if (place == items_.end()) return {};
  const std::vector<Item>& stored = place->second;
  std::vector<double> log_weights;
  for (const Item& item : stored) {
    log_weights.push_back(config_.uniform ? 0 : item.log_reward / (reward_temperature * config_.tau));
  }
  const size_t most = static_cast<size_t>(std::max<int64_t>(num, 0));
  const std::vector<size_t> drawn = config_.diversity > 0 ? DrawSpread(stored, log_weights, most, condition.value, key)
                                                          : DrawAtOnce(log_weights, most, condition.value, key);
  std::vector<std::pair<ConditionId, const Item*>> chosen;
  for (const size_t i : drawn) chosen.push_back({condition, &stored[i]});
  return ToBatch(chosen);
}

TrajectoryBatch ReplayBuffer::Contents(ConditionId condition) const {
  std::vector<std::pair<ConditionId, const Item*>> chosen;
  if (const auto place = items_.find(condition); place != items_.end()) {
    for (const Item& item : place->second) chosen.push_back({condition, &item});
  }
  return ToBatch(chosen);
}

TrajectoryBatch ReplayBuffer::Contents() const {
  std::vector<std::pair<ConditionId, const Item*>> chosen;
  for (const auto& [condition, stored] : items_) {
    for (const Item& item : stored) chosen.push_back({condition, &item});
  }
  return ToBatch(chosen);
}

int64_t ReplayBuffer::NumItems(ConditionId condition) const {
  const auto place = items_.find(condition);
  return place == items_.end() ? 0 : static_cast<int64_t>(place->second.size());
}

int64_t ReplayBuffer::NumItems() const {
  int64_t total = 0;
  for (const auto& [condition, stored] : items_) total += static_cast<int64_t>(stored.size());
  return total;
}

Status ReplayBuffer::Save(const std::string& path) const {
  GFN_CHECK(has_rewards_) << "Recompute has not run";
  TrajectoryBatch contents = Contents();
  if (contents.size() == 0) {
    contents.actions_BT = at::zeros({0, 0}, at::kLong);
    contents.lengths_B = at::zeros({0}, at::kLong);
  }
  return WriteTrajectories(path, contents, {{kSupport, support_digest_}, {kReward, reward_digest_}});
}

Status ReplayBuffer::Load(const std::string& path) {
  ASSIGN_OR_RETURN(StoredTrajectories stored, ReadTrajectories(path));
  for (const char* key : {kSupport, kReward}) {
    if (!stored.metadata.contains(key)) return DataLoss(path + ": not a replay buffer: no " + key + " in its metadata");
  }
  if (stored.metadata[kSupport] != support_digest_) {
    return FailedPrecondition(path + ": the stored objects are of another support: found '" + stored.metadata[kSupport] +
                              "', this run has '" + support_digest_ + "'");
  }
  const TrajectoryBatch& batch = stored.batch;
  if (batch.actions_BT.scalar_type() != at::kLong || batch.outcomes_BT.defined()) {
    return DataLoss(path + ": a replay buffer holds int64 actions and no outcomes");
  }
  if (batch.size() > 0 && !batch.log_reward_B.defined()) return DataLoss(path + ": no log_reward");
  std::map<ConditionId, std::vector<Item>> items;
  std::vector<Item> rows = batch.size() > 0 ? ToItems(batch) : std::vector<Item>();
  for (int64_t row = 0; row < batch.size(); ++row) items[batch.condition_ids[row]].push_back(std::move(rows[row]));
  items_ = std::move(items);
  has_rewards_ = stored.metadata[kReward] == reward_digest_;
  return OkStatus();
}

int64_t ReplayBuffer::KeepConditions(const std::set<ConditionId>& conditions) {
  const int64_t before = NumItems();
  std::erase_if(items_, [&](const auto& entry) { return !conditions.contains(entry.first); });
  return before - NumItems();
}

Status ReplayBuffer::Recompute(const Reward& reward, bool along, int64_t batch_size) {
  std::vector<std::pair<ConditionId, const Item*>> all;
  std::vector<Item*> targets;
  for (auto& [condition, stored] : items_) {
    for (Item& item : stored) {
      all.push_back({condition, &item});
      targets.push_back(&item);
    }
  }
  std::vector<Item> fresh;
  for (size_t first = 0; first < all.size(); first += batch_size) {
    const size_t last = std::min(all.size(), first + static_cast<size_t>(batch_size));
    TrajectoryBatch batch = ToBatch({all.begin() + first, all.begin() + last});
    RETURN_IF_ERROR(EvaluateReward(reward, batch, along));
    for (Item& item : ToItems(batch)) fresh.push_back(std::move(item));
  }
  for (size_t i = 0; i < targets.size(); ++i) *targets[i] = std::move(fresh[i]);
  has_rewards_ = true;
  return OkStatus();
}

}  // namespace gfn
