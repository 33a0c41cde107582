// The fast road of MlpPolicy: passes of core/fast_pass.h over the parameters of a ParameterSet, as one node of the autograd
// graph.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "gflownet/core/fast_pass.h"
#include "gflownet/core/policy.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

class FastMlp {
 public:
  // The parameters are those that MlpPolicy adds.
  FastMlp(const Environment& environment, const FastWorld& world, const ParameterSet& parameters, int64_t depth, FastHeads heads);

  // A session that samples whole on-policy trajectories here, and anything else by `steps`.
  std::unique_ptr<RolloutSession> StartRollout(std::unique_ptr<RolloutSession> steps) const;
  bool CanScore(Needs needs) const;
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const;

  StatusOr<WholeRollout> Sample(const std::vector<RolloutRow>& rows_B, const RngKey& key) const;
  // Of the batch that was scored last.
  FastCounts last_counts() const;

 private:
  // Passes that nobody uses, for their memory; shared with the graph's nodes, which may outlive the policy.
  struct Pool {
    std::mutex mutex;
    std::vector<std::unique_ptr<FastPass>> spare;
    FastCounts counts;
  };
  struct Node;
  class Session;

  std::unique_ptr<FastPass> NewPass() const;
  static void Return(Pool& pool, std::unique_ptr<FastPass> pass);
  uint64_t Version() const;
  MlpLayers Layers() const;

  const Environment& environment_;
  const FastWorld& world_;
  const ParameterSet& parameters_;
  FastHeads heads_;
  int64_t depth_;
  std::vector<at::Tensor> hidden_, head_tensors_;  // weight, bias of each layer
  std::shared_ptr<Pool> pool_;
  // The pass of the last rollout, which Score takes over when it is asked for the same batch at the same parameters.
  mutable std::mutex mutex_;
  mutable std::unique_ptr<FastPass> sampled_;
  mutable uint64_t sampled_version_ = 0;
};

}  // namespace gfn
