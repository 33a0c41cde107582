#include "llm/kernels/parallel.h"

#include <array>

#include "llm/kernels/aligned_buffer.h"

namespace gfn {

int UsefulThreads(int num_threads, int64_t work) {
  constexpr int64_t kParallelWork = 1 << 18;  // about 5 microseconds of one core
  if (work < kParallelWork || omp_in_parallel()) return 1;
  return num_threads > 0 ? num_threads : omp_get_max_threads();
}

float* ThreadScratch(ScratchSlot slot, int64_t words) {
  static thread_local std::array<AlignedBuffer, 4> buffers;
  return buffers[static_cast<size_t>(slot)].Reserve(static_cast<size_t>(words));
}

}  // namespace gfn
