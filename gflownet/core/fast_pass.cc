// Walking: sampling or following trajectories. Scores and the way back: fast_pass_scores.cc.
#include "gflownet/core/fast_pass.h"

#include <omp.h>

#include <limits>
#include <utility>

#include "gflownet/base/check.h"
#include "gflownet/core/fast_pass_shard.h"
#include "gflownet/kernels/net_dispatch.h"
#include "gflownet/tensor/categorical_row.h"

namespace gfn {
namespace {

constexpr int64_t kRowsOfThread = 8;  // a thread with fewer trajectories would not pay for itself
constexpr float kNever = -std::numeric_limits<float>::infinity();

uint64_t HashWords(const int32_t* words, int64_t count) {
  uint64_t hash = 0x9E3779B97F4A7C15ull;
  for (int64_t i = 0; i < count; ++i) hash = (hash ^ static_cast<uint32_t>(words[i])) * 0xD6E8FEB86659FD93ull;
  return hash ^ (hash >> 32);
}

int64_t Count(const bool* legal, int64_t n) { return std::count(legal, legal + n, true); }

}  // namespace

void FastTrack::Clear() {
  actions.clear();
  backward.clear();
  slots.clear();
  log_uniform.clear();
  stop_legal.clear();
}

FastPass::FastPass(const Environment& environment, const FastWorld& world, FastHeads heads)
    : spec_(environment.Spec()),
      world_(world),
      heads_(heads),
      num_actions_(spec_.num_actions),
      num_back_(spec_.is_tree ? 0 : spec_.num_backward_actions) {
  GFN_CHECK(!spec_.is_tree || !heads.backward) << "a tree has no backward policy";
}

FastPass::~FastPass() = default;

void FastPass::SetWeights(const MlpLayers& layers) {
  num_threads_ = omp_in_parallel() ? 1 : omp_get_max_threads();
  net_.Pack(layers, num_threads_);
  const int64_t outputs = num_actions_ + (heads_.backward ? num_back_ : 0) + (heads_.flow ? 1 : 0);
  GFN_CHECK_EQ(net_.num_outputs(), outputs);
  GFN_CHECK_EQ(net_.num_features(), world_.NumRowFeatures());
}

void FastPass::Plan(int64_t num_rows) {
  num_rows_ = num_rows;
  num_shards_ = std::clamp<int64_t>(num_rows / kRowsOfThread, 1, num_threads_);
  while (static_cast<int64_t>(shards_.size()) < num_shards_) shards_.push_back(std::make_unique<Shard>());
  for (int64_t i = 0; i < num_shards_; ++i) {
    Shard& shard = *shards_[i];
    shard.begin = num_rows * i / num_shards_;
    shard.end = num_rows * (i + 1) / num_shards_;
  }
}

int32_t FastPass::FindSlot(Shard& shard, const int32_t* row, int64_t parent) {
  const int64_t words = world_.RowWords();
  const auto place_of = [&](const int32_t* state) {
    const size_t mask = shard.table.size() - 1;
    size_t place = HashWords(state, words) & mask;
    while (shard.table[place] >= 0 && !std::equal(state, state + words, shard.states.data() + shard.table[place] * words)) {
      place = (place + 1) & mask;
    }
    return place;
  };
  size_t place = place_of(row);
  if (shard.table[place] >= 0) return shard.table[place];
  const int32_t slot = static_cast<int32_t>(shard.num_slots());
  if (2 * static_cast<size_t>(slot + 1) > shard.table.size()) {
    shard.table.assign(2 * shard.table.size(), -1);
    for (int32_t i = 0; i < slot; ++i) shard.table[place_of(shard.states.data() + i * words)] = i;
    place = place_of(row);
  }
  shard.table[place] = slot;
  shard.states.insert(shard.states.end(), row, row + words);
  const int64_t count = world_.FeaturesOfRow(row, shard.feature_index.data(), shard.feature_value.data());
  shard.rows.Add(shard.feature_index.data(), shard.feature_value.data(), count, parent);
  return slot;
}

// Logits of the slots that are new: illegal ones become -infinity, and the log of the legal ones' sum is kept.
void FastPass::Evaluate(Shard& shard) {
  shard.rows.Forward(net_);
  const NetTable& kernels = NetKernels();
  const int64_t words = world_.RowWords();
  for (int64_t slot = shard.evaluated; slot < shard.num_slots(); ++slot) {
    const int32_t* state = shard.states.data() + slot * words;
    float* logits = shard.rows.Outputs(slot);
    bool* legal = shard.legal.get();
    float log_sum = 0;
    bool stops = false;
    if (!world_.RowIsDone(state)) {
      world_.LegalOfRow(state, legal);
      for (int64_t a = 0; a < num_actions_; ++a) logits[a] = legal[a] ? logits[a] : kNever;
      for (const int64_t stop : spec_.stop_actions) stops = stops || legal[stop];
      log_sum = kernels.log_sum_exp(logits, num_actions_);
    }
    shard.stop_legal.push_back(stops);
    shard.log_sum_forward.push_back(log_sum);
    log_sum = 0;
    if (heads_.backward) {
      world_.LegalBackOfRow(state, legal);
      bool any = false;
      for (int64_t a = 0; a < num_back_; ++a) {
        any = any || legal[a];
        logits[num_actions_ + a] = legal[a] ? logits[num_actions_ + a] : kNever;
      }
      if (any) log_sum = kernels.log_sum_exp(logits + num_actions_, num_back_);
    }
    shard.log_sum_backward.push_back(log_sum);
  }
  shard.evaluated = shard.num_slots();
}

Status FastPass::WalkShard(Shard& shard, const Draws& draws) {
  const NetTable& kernels = NetKernels();
  const int64_t words = world_.RowWords(), num = shard.end - shard.begin;
  shard.rows.Clear(net_);
  shard.states.clear();
  shard.table.assign(std::max<size_t>(shard.table.size(), 1024), -1);
  for (std::vector<float>* values : {&shard.log_sum_forward, &shard.log_sum_backward}) values->clear();
  shard.stop_legal.clear();
  shard.evaluated = shard.visits = 0;
  if (static_cast<int64_t>(shard.tracks.size()) < num) shard.tracks.resize(num);
  shard.feature_index.resize(world_.MaxActive());
  shard.feature_value.resize(world_.MaxActive());
  shard.legal = std::make_unique<bool[]>(std::max(num_actions_, num_back_));
  shard.current.resize(num * words);
  shard.live.clear();
  for (int64_t i = 0; i < num; ++i) {
    shard.tracks[i].Clear();
    world_.InitialRow(shard.current.data() + i * words);
    shard.tracks[i].slots.push_back(FindSlot(shard, shard.current.data() + i * words, -1));
    shard.live.push_back(i);
  }

  for (int64_t step = 0;; ++step) {
    Evaluate(shard);
    if (shard.live.empty()) return OkStatus();
    if (step >= spec_.max_steps) {
      return FailedPrecondition(spec_.name + ": not finished after max_steps = " + std::to_string(spec_.max_steps) + " actions");
    }
    size_t left = 0;
    for (const int64_t i : shard.live) {
      FastTrack& track = shard.tracks[i];
      const int64_t row = shard.begin + i, slot = track.slots.back();
      int32_t* state = shard.current.data() + i * words;
      int64_t action;
      if (draws.rows != nullptr) {
        const double uniform = Uniform(draws.key, (*draws.rows)[row].stream, static_cast<uint64_t>(step));
        const float log_sum = shard.log_sum_forward[slot];
        action = std::isfinite(log_sum) ? kernels.draw(shard.rows.Outputs(slot), num_actions_, log_sum, uniform) : -1;
        if (action < 0) {
          const RowSample sample = DrawRow(shard.rows.Outputs(slot), nullptr, num_actions_, uniform);
          return InvalidArgument(
              "rollout: action " + std::to_string(step) + ": row " + std::to_string(row) +
              (sample.error == RowSample::Error::kNotFinite ? ": a logit is not finite" : ": no legal action"));
        }
      } else {
        action = draws.actions[row * draws.stride + step];
      }
      track.actions.push_back(static_cast<int32_t>(action));
      track.stop_legal.push_back(shard.stop_legal[slot]);
      if (!spec_.is_tree) track.backward.push_back(static_cast<int32_t>(world_.BackwardActionOfRow(state, action)));
      world_.StepRow(state, action);
      const bool done = world_.RowIsDone(state);
      ++shard.visits;
      int64_t num_parents = 1;
      if (!spec_.is_tree && (!heads_.backward || done)) {
        world_.LegalBackOfRow(state, shard.legal.get());
        num_parents = Count(shard.legal.get(), num_back_);
      }
      const bool needs_network = !done || (heads_.backward && num_parents > 1);
      track.log_uniform.push_back(heads_.backward ? 0.0f : -std::log(static_cast<float>(num_parents)));
      track.slots.push_back(needs_network ? FindSlot(shard, state, slot) : -1);
      if (done && needs_network) ++shard.visits;
      if (!done) shard.live[left++] = i;
    }
    shard.live.resize(left);
  }
}

Status FastPass::Walk(const Draws& draws) {
  // Until all of it is there, also where a thread runs out of memory, the pass holds nothing.
  const int64_t num_rows = std::exchange(num_rows_, 0);
  ForEachShard([&](Shard& shard) { shard.status = WalkShard(shard, draws); });
  for (int64_t i = 0; i < num_shards_; ++i) RETURN_IF_ERROR(shards_[i]->status);
  num_rows_ = num_rows;
  return OkStatus();
}

StatusOr<TrajectoryBatch> FastPass::Sample(const std::vector<RolloutRow>& rows_B, const RngKey& key) {
  Plan(static_cast<int64_t>(rows_B.size()));
  Draws draws;
  draws.rows = &rows_B;
  draws.key = key;
  RETURN_IF_ERROR(Walk(draws));
  int64_t num_steps = 0;
  ForEachTrack(
      [&](int64_t, const FastTrack& track) { num_steps = std::max(num_steps, static_cast<int64_t>(track.actions.size())); });
  TrajectoryBatch batch;
  for (const RolloutRow& row : rows_B) batch.condition_ids.push_back(row.condition);
  batch.actions_BT = at::zeros({num_rows_, num_steps}, at::kLong);
  batch.lengths_B = at::empty({num_rows_}, at::kLong);
  if (!spec_.is_tree) batch.backward_actions_BT = at::zeros({num_rows_, num_steps}, at::kLong);
  if (!spec_.stop_actions.empty()) batch.stop_legal_BT = at::zeros({num_rows_, num_steps}, at::kBool);
  int64_t* backward = spec_.is_tree ? nullptr : batch.backward_actions_BT.mutable_data_ptr<int64_t>();
  bool* stop_legal = spec_.stop_actions.empty() ? nullptr : batch.stop_legal_BT.mutable_data_ptr<bool>();
  int64_t* actions = batch.actions_BT.mutable_data_ptr<int64_t>();
  int64_t* lengths = batch.lengths_B.mutable_data_ptr<int64_t>();
  ForEachTrack([&](int64_t row, const FastTrack& track) {
    lengths[row] = static_cast<int64_t>(track.actions.size());
    std::copy(track.actions.begin(), track.actions.end(), actions + row * num_steps);
    if (backward != nullptr) std::copy(track.backward.begin(), track.backward.end(), backward + row * num_steps);
    if (stop_legal != nullptr) std::copy(track.stop_legal.begin(), track.stop_legal.end(), stop_legal + row * num_steps);
  });
  return batch;
}

void FastPass::Follow(const TrajectoryBatch& batch) {
  Plan(batch.size());
  const at::Tensor actions_BT = batch.actions_BT.contiguous();
  Draws draws;
  draws.actions = actions_BT.const_data_ptr<int64_t>();
  draws.stride = batch.num_steps();
  const Status status = Walk(draws);
  GFN_CHECK(status.ok()) << status.ToString();
}

bool FastPass::Holds(const TrajectoryBatch& batch) const {
  if (num_rows_ == 0 || batch.size() != num_rows_) return false;
  const at::Tensor actions_BT = batch.actions_BT.contiguous(), lengths_B = batch.lengths_B.contiguous();
  const int64_t* actions = actions_BT.const_data_ptr<int64_t>();
  const int64_t* lengths = lengths_B.const_data_ptr<int64_t>();
  bool same = true;
  ForEachTrack([&](int64_t row, const FastTrack& track) {
    same = same && lengths[row] == static_cast<int64_t>(track.actions.size()) &&
           std::equal(track.actions.begin(), track.actions.end(), actions + row * batch.num_steps());
  });
  return same;
}

FastCounts FastPass::Counts() const {
  FastCounts counts;
  for (int64_t i = 0; i < num_shards_; ++i) {
    const Shard& shard = *shards_[i];
    counts.visits += shard.visits;
    counts.evaluated += shard.num_slots();
    const double active =
        static_cast<double>(shard.rows.num_active()) / static_cast<double>(std::max<int64_t>(1, shard.num_slots()));
    const double flops = net_.FlopsForward(active) + net_.FlopsBackward(active);
    counts.flops_visits += flops * static_cast<double>(shard.visits);
    counts.flops_evaluated += flops * static_cast<double>(shard.num_slots());
  }
  return counts;
}

}  // namespace gfn
