// One row of the sampler on a CPU, on plain pointers. Users want gflownet/tensor/categorical.h.
#pragma once

#include <cstdint>

namespace gfn {

struct RowSample {
  enum class Error { kNone, kNoLegalAction, kNotFinite };
  Error error = Error::kNone;
  int64_t action = -1;
  double log_prob = 0;
};

// logits [num_actions]; mask [num_actions] or nullptr. The weights exp(logit - max) are computed in double to a few units
// in the last place and summed in blocks, so the cost is one vectorised exponential an action and no memory traffic.
RowSample DrawRow(const float* logits, const bool* mask, int64_t num_actions, double uniform);
RowSample DrawRow(const double* logits, const bool* mask, int64_t num_actions, double uniform);

}  // namespace gfn
