// The numbers that a training step reports, gathered over its micro-batches.
// Shapes: B rows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gflownet/core/behaviour.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"
#include "gflownet/train/metrics.h"

namespace gfn {

// Sums over rows and groups; a pure function of what was added, in order.
class StepSummary {
 public:
  // One micro-batch. Without rewards only lengths are counted.
  void Add(const TrajectoryBatch& batch, const TrajectoryScores& scores, const Targets& targets,
           const std::vector<Behaviour>& behaviour_B);
  void AddTo(StepMetrics& metrics) const;

 private:
  struct Average {
    double sum = 0;
    int64_t count = 0;
    void Add(double value) {
      sum += value;
      ++count;
    }
  };
  Average log_z_, log_reward_, elbo_, spread_, length_;
  std::map<std::string, Average> terms_;
};

}  // namespace gfn
