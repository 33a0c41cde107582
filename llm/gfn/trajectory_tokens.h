// A batch of token trajectories as plain host vectors.
#pragma once

#include <cstdint>
#include <vector>

#include "gflownet/core/trajectory.h"

namespace gfn {

struct TokenTrajectories {
  std::vector<std::vector<int32_t>> inner;    // [B] z_1..z_n, without the stop
  std::vector<int64_t> stop;                  // [B] the stop token of each
  std::vector<std::vector<char>> stop_legal;  // [B][n + 1]: is a stop legal in s_k

  explicit TokenTrajectories(const TrajectoryBatch& batch);
};

// int64 values as a tensor.
at::Tensor IndexTensor(const std::vector<int64_t>& values);

}  // namespace gfn
