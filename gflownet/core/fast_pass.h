// One pass of a network over the trajectories of a batch in a fast world: sampled or followed, scored, and gone back through,
// with every distinct state evaluated once and its activations kept for the way back. No tensor operation a step. Shapes: B rows,
// T steps.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/fast_world.h"
#include "gflownet/core/rollout.h"
#include "gflownet/core/trajectory.h"
#include "gflownet/kernels/mlp.h"

namespace gfn {

// Which outputs the network has: logits of the A actions first, then those of the A_back backward actions and log F where
// learned.
struct FastHeads {
  bool backward = false;
  bool flow = false;
};

// What a pass did, for benchmarks.
struct FastCounts {
  int64_t visits = 0;     // network evaluations that the batch needs when every state of every trajectory is evaluated once
  int64_t evaluated = 0;  // those that were made
  double flops_visits = 0, flops_evaluated = 0;  // of the network, forward and backward
};

class FastPass {
 public:
  FastPass(const Environment& environment, const FastWorld& world, FastHeads heads);
  ~FastPass();

  // Packs the weights that the pass works with: the hidden layers, then the heads forward, backward, flow.
  void SetWeights(const MlpLayers& layers);

  // Samples one trajectory a row from the policy itself.
  StatusOr<TrajectoryBatch> Sample(const std::vector<RolloutRow>& rows_B, const RngKey& key);
  // Walks along given trajectories.
  void Follow(const TrajectoryBatch& batch);
  // Is this the batch that was sampled or followed last?
  bool Holds(const TrajectoryBatch& batch) const;

  // The scores of the batch, float [B, T] without gradient, 0 in padding: those in `needs` of log_pf, log_pb, log_stop, log_flow.
  TrajectoryScores Scores(const TrajectoryBatch& batch, Needs needs) const;
  // The gradient of the weights from that of the scores (defined or not, as in Scores). The activations are used up.
  void Backward(const TrajectoryBatch& batch, const TrajectoryScores& gradients, const MlpGradients& out);

  // Of the batch held.
  FastCounts Counts() const;

 private:
  struct Shard;
  struct Draws;
  Status Walk(const Draws& draws);
  Status WalkShard(Shard& shard, const Draws& draws);
  void Evaluate(Shard& shard);
  // The slot of a state, made where it is new; `parent`: the slot it is reached from, or -1.
  int32_t FindSlot(Shard& shard, const int32_t* row, int64_t parent);
  void Plan(int64_t num_rows);
  template <class Function>
  void ForEachShard(Function function) const;  // in parallel
  template <class Function>
  void ForEachTrack(Function function) const;  // function(row, FastTrack), in order

  const EnvironmentSpec& spec_;
  const FastWorld& world_;
  FastHeads heads_;
  int64_t num_actions_, num_back_;
  int num_threads_ = 1;
  MlpNet net_;
  std::vector<std::unique_ptr<Shard>> shards_;  // as many as were ever needed; the first num_shards_ hold rows
  int64_t num_shards_ = 0, num_rows_ = 0;
};

}  // namespace gfn
