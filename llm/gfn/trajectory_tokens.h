// A batch of token trajectories as plain host vectors.
#pragma once

#include <cstdint>
#include <vector>

#include "gflownet/core/trajectory.h"

namespace gfn {

struct TokenTrajectories {
  std::vector<std::vector<int32_t>> inner;    // [B] z_1..z_n, without the stop
  std::vector<int64_t> stop;                  // [B] the stop token of each; -1 where there is none
  std::vector<std::vector<char>> stop_legal;  // [B][n + 1]: is a stop legal in s_k; empty rows where there is none

  // ends_by_length: no token is a stop (SequenceSupport::ends_by_length).
  explicit TokenTrajectories(const TrajectoryBatch& batch, bool ends_by_length = false);
};

// int64 values as a tensor.
at::Tensor IndexTensor(const std::vector<int64_t>& values);

}  // namespace gfn
