#include "llm/kernels/gemm.h"

#include <algorithm>

#include "gflownet/base/check.h"
#include "llm/kernels/dispatch.h"
#include "llm/kernels/kernel_table.h"
#include "llm/kernels/parallel.h"

namespace gfn {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kGemmBlockRows = 64;
constexpr int64_t kColumnUnit = 32;
// Steps of k summed in registers before they are added to C: the rows of B that they need stay in the second-level cache.
constexpr int64_t kDepth = 384;

}  // namespace

void Gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t ld_a,
          const float* b, int64_t ld_b, float* c, int64_t ld_c, bool accumulate, int num_threads) {
  GFN_CHECK(m >= 0 && n >= 0 && k >= 0) << "a product of " << m << " x " << k << " and " << k << " x " << n;
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (int64_t i = 0; i < m && !accumulate; ++i) std::fill_n(c + i * ld_c, n, 0.0f);
    return;
  }
  const KernelTable& kernels = Kernels();
  const int threads = UsefulThreads(num_threads, m * n * k);
  // The tiles read whole vectors along a row of op(B): a copy turns B round, or pads its rows.
  const bool copy = transpose_b || n % kLanes != 0;
  const int64_t ld_copy = CeilDiv(n, kLanes) * kLanes, slices = CeilDiv(k, kLanes);
  float* copied = copy ? ThreadScratch(ScratchSlot::kProduct, slices * kLanes * ld_copy) : nullptr;
  // Tall products are cut by rows, flat ones by columns.
  const Split rows{m, 1, CeilDiv(m, kGemmBlockRows)};
  const Split columns{n, kColumnUnit, std::min(CeilDiv(n, kColumnUnit), CeilDiv(4 * threads, rows.parts))};

  ParallelErrors errors;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    if (copy) {
#pragma omp for
      for (int64_t slice = 0; slice < slices; ++slice) {
        const int64_t begin = slice * kLanes, count = std::min(kLanes, k - begin);
        errors.Run([&] {
          kernels.copy_slice(transpose_b, b + begin * (transpose_b ? 1 : ld_b), ld_b, count, n, copied + begin * ld_copy,
                             ld_copy);
        });
      }
    }
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < rows.parts * columns.parts; ++task) {
      errors.Run([&] {
        const int64_t row = rows.Begin(task / columns.parts), count = rows.Begin(task / columns.parts + 1) - row;
        const int64_t column = columns.Begin(task % columns.parts), width = columns.Begin(task % columns.parts + 1) - column;
        for (int64_t begin = 0; begin < k; begin += kDepth) {
          const int64_t depth = std::min(kDepth, k - begin);
          GemmJob job = {a + row * ld_a + begin,
                         ld_a,
                         1,
                         (copy ? copied + begin * ld_copy : b + begin * ld_b) + column,
                         copy ? ld_copy : ld_b,
                         count,
                         width,
                         depth,
                         alpha,
                         c + row * ld_c + column,
                         ld_c,
                         accumulate || begin > 0};
          if (transpose_a) {
            // A tile would read a few words of each of many far rows of A: copied, they lie together.
            float* block = ThreadScratch(ScratchSlot::kRows, kDepth * kGemmBlockRows);
            kernels.copy_slice(false, a + begin * ld_a + row, ld_a, depth, count, block, kGemmBlockRows);
            job.a = block;
            job.row_stride = 1;
            job.k_stride = kGemmBlockRows;
          }
          kernels.gemm(job);
        }
      });
    }
  }
  errors.Rethrow();
}

}  // namespace gfn
