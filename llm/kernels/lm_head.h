// The vocabulary head without an [N, V] matrix: logits are made for a block of rows and a chunk of the vocabulary at a time, in
// a buffer of cache size, and reduced at once. The backward pass makes them again.
//
// With logits l [N, V] = hidden W^T:
//   logit_target[i]    = l[i, target[i]]
//   logit_stop[i, s]   = l[i, stop_ids[s]]
//   log_sum_exp[i]     = log sum over legal v of exp(l[i, v])
// Targets and stops need not be legal. Sums are float32, chunk by chunk in a fixed order: bitwise the same for any number of
// threads (0: OpenMP's default) and any N.
//
// Legend: N rows, V vocabulary = head.out(), d = head.in(), S stops.
#pragma once

#include <cstdint>

#include "llm/kernels/packed_matrix.h"

namespace gfn {

// What to read of the logits of each row; borrowed arrays.
struct LmHeadQuery {
  const int64_t* target = nullptr;    // [N] ids, -1 for none (its logit is 0, its gradient ignored); null: no targets
  const int64_t* stop_ids = nullptr;  // [S]
  int64_t num_stops = 0;
  const uint8_t* legal = nullptr;  // [V], non-zero: counts in log_sum_exp; null: all do. At least one is legal.
};

// Every output may be null.
struct LmHeadOutputs {
  float* logit_target = nullptr;  // [N]
  float* logit_stop = nullptr;    // [N, S]
  float* log_sum_exp = nullptr;   // [N]
};

// Gradients of the outputs; null means zero.
struct LmHeadGradients {
  const float* logit_target = nullptr;
  const float* logit_stop = nullptr;
  const float* log_sum_exp = nullptr;
};

void LmHeadForward(const PackedMatrix& head, const float* hidden, int64_t n, int64_t ld_hidden, const LmHeadQuery& query,
                   const LmHeadOutputs& outputs, int num_threads = 0);

// d_hidden [N, d] += the gradient. log_sum_exp [N] is the forward pass's; needed if gradients.log_sum_exp is not null.
void LmHeadBackward(const PackedMatrix& head, const float* hidden, int64_t n, int64_t ld_hidden, const LmHeadQuery& query,
                    const float* log_sum_exp, const LmHeadGradients& gradients, float* d_hidden, int64_t ld_d_hidden,
                    int num_threads = 0);

}  // namespace gfn
