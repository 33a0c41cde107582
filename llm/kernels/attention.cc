#include "llm/kernels/attention.h"

#include <algorithm>
#include <vector>

#include "gflownet/base/check.h"
#include "llm/kernels/aligned_buffer.h"
#include "llm/kernels/dispatch.h"
#include "llm/kernels/kernel_table.h"
#include "llm/kernels/parallel.h"

namespace gfn {
namespace {

constexpr int64_t kTileRows = 48;

struct Unit {
  AttentionTile tile;
  int64_t cost;  // rows times keys
};

// The tiles of every block for key head 0; the others are the same.
std::vector<Unit> MakeUnits(const AttentionShape& shape, const AttentionForest& forest) {
  GFN_CHECK(shape.num_kv_heads > 0 && shape.num_heads % shape.num_kv_heads == 0 && shape.head_dim > 0 && shape.head_dim % 8 == 0)
      << "attention with " << shape.num_heads << " heads, " << shape.num_kv_heads << " key heads of width " << shape.head_dim;
  const int64_t group = shape.num_heads / shape.num_kv_heads;
  std::vector<Unit> units;
  units.reserve(static_cast<size_t>(forest.num_blocks));
  for (int64_t b = 0; b < forest.num_blocks; ++b) {
    const QueryBlock& block = forest.blocks[b];
    int64_t keys = block.query_count / 2;
    for (int32_t r = 0; r < block.range_count; ++r) keys += forest.ranges[block.range_begin + r].count;
    const int64_t rows = block.query_count * group, tiles = (rows + kTileRows - 1) / kTileRows;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t begin = rows * t / tiles, end = rows * (t + 1) / tiles;
      units.push_back({{block, 0, begin, end - begin}, (end - begin) * keys});
    }
  }
  return units;
}

int Threads(int num_threads, const std::vector<Unit>& units, const AttentionShape& shape) {
  // A tile of few rows (decoding) waits for its keys and values, so that a multiply-add costs some eight times as much.
  constexpr int64_t kFewRows = 8;
  int64_t work = 0;
  for (const Unit& unit : units) work += unit.cost * (unit.tile.rows <= kFewRows ? 8 : 1) * shape.head_dim * shape.num_kv_heads;
  return UsefulThreads(num_threads, work);
}

}  // namespace

void AttentionForward(const AttentionShape& shape, const AttentionForest& forest, ConstRows q, ConstRows k, ConstRows v, Rows out,
                      float* log_sum_exp, int num_threads) {
  const std::vector<Unit> units = MakeUnits(shape, forest);
  const int64_t tasks = static_cast<int64_t>(units.size()) * shape.num_kv_heads;
  const int threads = Threads(num_threads, units, shape);
  const int64_t at_once = std::max<int64_t>(1, tasks / (threads * 16));
  const KernelTable& kernels = Kernels();

  ParallelErrors errors;
#pragma omp parallel for schedule(dynamic, at_once) num_threads(threads) if (threads > 1)
  for (int64_t task = 0; task < tasks; ++task) {
    errors.Run([&] {
      AttentionTile tile = units[static_cast<size_t>(task / shape.num_kv_heads)].tile;
      tile.kv_head = task % shape.num_kv_heads;
      kernels.attention_forward({shape,
                                 forest.ranges,
                                 q,
                                 k,
                                 v,
                                 out,
                                 log_sum_exp,
                                 {},
                                 {},
                                 {},
                                 {},
                                 ThreadScratch(ScratchSlot::kAttention, kernels.attention_scratch(shape.head_dim))},
                                tile);
    });
  }
  errors.Rethrow();
}

void AttentionBackward(const AttentionShape& shape, const AttentionForest& forest, ConstRows q, ConstRows k, ConstRows v,
                       ConstRows out, const float* log_sum_exp, ConstRows dout, Rows dq, Rows dk, Rows dv, int64_t num_keys,
                       int num_threads) {
  const std::vector<Unit> units = MakeUnits(shape, forest);
  const int threads = Threads(num_threads, units, shape);
  const int64_t width = static_cast<int64_t>(shape.num_kv_heads) * shape.head_dim;
  const KernelTable& kernels = Kernels();

  // Step 1. Cut the tiles into one share a thread, of nearly equal cost.
  int64_t total = 0;
  for (const Unit& unit : units) total += unit.cost + 1;
  std::vector<size_t> begins = {0};
  int64_t sum = 0;
  for (size_t u = 0; u < units.size(); ++u) {
    if (sum * threads >= total * static_cast<int64_t>(begins.size())) begins.push_back(u);
    sum += units[u].cost + 1;
  }
  const int64_t shares = static_cast<int64_t>(begins.size());
  begins.push_back(units.size());

  // Step 2. A share and a key head are one task. The first share adds to dk and dv, the others to arrays of their own.
  AlignedBuffer own(static_cast<size_t>((shares - 1) * 2 * num_keys * width));
  ParallelErrors errors;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (int64_t task = 0; task < shares * shape.num_kv_heads; ++task) {
    errors.Run([&] {
      const int64_t share = task / shape.num_kv_heads;
      float* own_dk = share == 0 ? nullptr : own.data() + (share - 1) * 2 * num_keys * width;
      const Rows share_dk = share == 0 ? dk : Rows{own_dk, width};
      const Rows share_dv = share == 0 ? dv : Rows{own_dk + num_keys * width, width};
      const AttentionJob job = {shape,
                                forest.ranges,
                                q,
                                k,
                                v,
                                // Only read in the backward pass.
                                {const_cast<float*>(out.data), out.stride},
                                const_cast<float*>(log_sum_exp),
                                dout,
                                dq,
                                share_dk,
                                share_dv,
                                ThreadScratch(ScratchSlot::kAttention, kernels.attention_scratch(shape.head_dim))};
      for (size_t u = begins[static_cast<size_t>(share)]; u < begins[static_cast<size_t>(share) + 1]; ++u) {
        AttentionTile tile = units[u].tile;
        tile.kv_head = task % shape.num_kv_heads;
        kernels.attention_backward(job, tile);
      }
    });
  }
  errors.Rethrow();

  // Step 3. Add the shares up in order.
  if (shares == 1) return;
  ParallelErrors sum_errors;
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t key = 0; key < num_keys; ++key) {
    sum_errors.Run([&] {
      for (int64_t share = 1; share < shares; ++share) {
        const float* from = own.data() + ((share - 1) * 2 * num_keys + key) * width;
        for (int64_t i = 0; i < width; ++i) {
          dk.data[key * dk.stride + i] += from[i];
          dv.data[key * dv.stride + i] += from[num_keys * width + i];
        }
      }
    });
  }
  sum_errors.Rethrow();
}

}  // namespace gfn
