// Inside fast_pass*.cc: the trajectories of one thread and the distinct states that they visited.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gflownet/base/parallel_errors.h"
#include "gflownet/core/fast_pass.h"
#include "gflownet/kernels/mlp.h"

namespace gfn {

// One trajectory as it is walked.
struct FastTrack {
  std::vector<int32_t> actions, backward;
  std::vector<int32_t> slots;      // of s_0, s_1, ...; the finished state's is -1 where the way back from it needs no network
  std::vector<float> log_uniform;  // of the way back from s_1, s_2, ... where no network says: -log of the number of parents
  std::vector<uint8_t> stop_legal;

  void Clear();
};

struct FastPass::Shard {
  int64_t begin = 0, end = 0;  // trajectories
  std::vector<FastTrack> tracks;

  // Slots: distinct states. Outputs of slot i are those of row i.
  MlpRows rows;
  MlpSums sums;
  std::vector<int32_t> states;  // [slots][words]
  std::vector<int32_t> table;   // open addressing: slot or -1; a power of two
  std::vector<float> log_sum_forward, log_sum_backward;
  std::vector<uint8_t> stop_legal;
  std::vector<float> mass_forward, mass_backward;
  int64_t evaluated = 0;
  int64_t visits = 0;
  Status status = OkStatus();  // of the walk

  // Scratch.
  std::vector<int32_t> current, feature_index;
  std::vector<float> feature_value;
  std::vector<int64_t> live;
  std::unique_ptr<bool[]> legal;

  int64_t num_slots() const { return rows.size(); }
};

// Where actions come from: draws at addresses, or a batch that is followed.
struct FastPass::Draws {
  const std::vector<RolloutRow>* rows = nullptr;
  RngKey key;
  const int64_t* actions = nullptr;  // [B][stride]
  int64_t stride = 0;
};

template <class Function>
void FastPass::ForEachShard(Function function) const {
  ParallelErrors errors;
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(num_shards_)) if (num_shards_ > 1)
  for (int64_t i = 0; i < num_shards_; ++i) errors.Run([&] { function(*shards_[i]); });
  errors.Rethrow();
}

template <class Function>
void FastPass::ForEachTrack(Function function) const {
  for (int64_t i = 0; i < num_shards_; ++i) {
    const Shard& shard = *shards_[i];
    for (int64_t row = shard.begin; row < shard.end; ++row) function(row, shard.tracks[row - shard.begin]);
  }
}

}  // namespace gfn
