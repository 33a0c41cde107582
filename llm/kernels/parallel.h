// Inside this library: how the drivers share work among threads, and scratch space for a thread.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "gflownet/base/parallel_errors.h"

namespace gfn {

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The threads to use for `work` multiply-adds (or as costly steps): 1 if a second would cost more than it gives, or inside a
// parallel region; num_threads 0 means OpenMP's default.
int UsefulThreads(int num_threads, int64_t work);

// Cuts [0, total) into `parts` ranges of whole units, nearly equal.
struct Split {
  int64_t total, unit, parts;
  int64_t Begin(int64_t i) const { return std::min(total, CeilDiv(total, unit) * i / parts * unit); }
};

// Calls body(begin, end) for one range of rows a thread.
template <class Body>
void ParallelRows(int64_t rows, int64_t work_per_row, int num_threads, const Body& body) {
  const int threads = static_cast<int>(std::min<int64_t>(UsefulThreads(num_threads, rows * work_per_row), rows));
  if (threads <= 1) {
    if (rows > 0) body(int64_t{0}, rows);
    return;
  }
  const Split split{rows, 1, threads};
  ParallelErrors errors;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int i = 0; i < threads; ++i) errors.Run([&] { body(split.Begin(i), split.Begin(i + 1)); });
  errors.Rethrow();
}

// Scratch space of the calling thread, kept between calls; one slot for each kernel that can be inside another.
enum class ScratchSlot { kProduct, kRows, kAttention, kLmHead };
float* ThreadScratch(ScratchSlot slot, int64_t words);

}  // namespace gfn
