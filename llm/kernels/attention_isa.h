// What the forward and the backward pass of attention share: one tile of at most 48 query rows of a block and a key head.
//
// A block's rows are its queries times the heads of the group, query by query: row r is query r / G, head kv_head * G + r % G.
// Scores are kept transposed, [key][48 rows], so that the softmax runs down a column and every step is a vector operation.
#pragma once

#include "llm/kernels/kernel_table.h"
#include "llm/kernels/micro_kernel.h"

namespace gfn::GFN_ISA {

inline constexpr int64_t kTileWidth = 48;   // query rows of a tile
inline constexpr int64_t kChunkKeys = 256;  // keys whose scores are held at once

GFN_INLINE int64_t RoundUp(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
GFN_INLINE int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }
GFN_INLINE int64_t Clamp(int64_t x, int64_t low, int64_t high) { return x < low ? low : (x > high ? high : x); }

// Consecutive key slots of a chunk; own >= 0: the first is the block's own key number `own`, else every row sees all.
struct Piece {
  int64_t key, count, own, offset;  // offset: place in the chunk
};

// Walks the keys that the tile sees, ancestors first, a chunk at a time.
class KeyWalk {
 public:
  KeyWalk(const AttentionTile& tile, const KeyRange* ranges, int64_t group)
      : block_(tile.block), ranges_(ranges + tile.block.range_begin), own_count_((tile.row + tile.rows - 1) / group + 1) {}

  // The next piece, if it fits into a chunk that holds `used` keys; false at the end of the chunk.
  bool Next(int64_t used, Piece* piece) {
    while (range_ < block_.range_count && done_ == ranges_[range_].count) {
      ++range_;
      done_ = 0;
    }
    const bool own = range_ == block_.range_count;
    const int64_t begin = own ? block_.own_key_begin : ranges_[range_].begin;
    const int64_t left = (own ? own_count_ : ranges_[range_].count) - done_;
    const int64_t count = Smaller(left, kChunkKeys - used);
    if (count <= 0) return false;
    *piece = {begin + done_, count, own ? done_ : -1, used};
    done_ += count;
    return true;
  }

 private:
  const QueryBlock& block_;
  const KeyRange* ranges_;
  int64_t own_count_;
  int64_t range_ = 0;
  int64_t done_ = 0;
};

// The pieces of one chunk; a chunk of very many tiny ranges ends early.
struct Chunk {
  static constexpr int kMaxPieces = 64;
  Piece pieces[kMaxPieces];
  int num_pieces = 0;
  int64_t keys = 0;

  bool Fill(KeyWalk* walk) {
    num_pieces = 0;
    keys = 0;
    while (num_pieces < kMaxPieces && walk->Next(keys, &pieces[num_pieces])) keys += pieces[num_pieces++].count;
    return num_pieces > 0;
  }
};

// The address of row r of a tile in a matrix of [N, heads, D].
template <class T>
GFN_INLINE T* RowOf(T* data, int64_t stride, const AttentionTile& tile, const AttentionShape& shape, int64_t r) {
  const int64_t group = shape.num_heads / shape.num_kv_heads, row = tile.row + r;
  return data + (tile.block.query_begin + row / group) * stride + (tile.kv_head * group + row % group) * shape.head_dim;
}

// The log-sum-exp of row r of a tile, in [N, H].
GFN_INLINE float* LogSumExpOf(const AttentionJob& job, const AttentionTile& tile, int64_t r) {
  const int64_t group = job.shape.num_heads / job.shape.num_kv_heads, row = tile.row + r;
  return job.log_sum_exp + (tile.block.query_begin + row / group) * job.shape.num_heads + tile.kv_head * group + row % group;
}

// scores [count][48] = rows [count, D] of keys (or values) times columns [D][48].
GFN_INLINE void ScorePiece(const float* rows, int64_t stride, int64_t count, int64_t head_dim, const float* columns,
                           int64_t width, float* scores) {
  const RowTiles tiles(count);
  for (int64_t t = 0; t < tiles.count; ++t) {
    const int64_t key = tiles.Begin(t);
    TileFor<DotFloat>(tiles.Begin(t + 1) - key, width)({rows + key * stride, stride, 1, columns, kTileWidth, head_dim},
                                                       scores + key * kTileWidth, kTileWidth, width, false);
  }
}

// sums [D][48] = from + rows [count, D] of values (or keys), transposed, times weights [count][48]; from: sums or null, zeros.
GFN_INLINE void WeighPiece(const float* rows, int64_t stride, int64_t count, int64_t head_dim, const float* weights,
                           int64_t width, float* sums, const float* from) {
  const RowTiles tiles(head_dim);
  for (int64_t t = 0; t < tiles.count; ++t) {
    const int64_t d = tiles.Begin(t);
    Operands o = {.a = rows + d, .row_stride = 1, .k_stride = stride, .b = weights, .ld_b = kTileWidth, .k = count};
    if (from != nullptr) {
      o.from = from + d * kTileWidth;
      o.ld_from = kTileWidth;
    }
    TileFor<DotFloat>(tiles.Begin(t + 1) - d, width)(o, sums + d * kTileWidth, kTileWidth, width, false);
  }
}

// Copies the rows of a tile, times `scale`, to dense [48][ld] and transposed [D][48]; missing rows are zero.
inline void LoadRows(const float* data, int64_t stride, const AttentionTile& tile, const AttentionShape& shape, float scale,
                     float* dense, int64_t ld, float* columns) {
  const int64_t rows = RoundUp(tile.rows, kLanes);
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = r < tile.rows ? RowOf(data, stride, tile, shape, r) : nullptr;
    for (int64_t d = 0; d < ld; d += kLanes) {
      const int64_t lanes = Clamp(shape.head_dim - d, 0, kLanes);
      Store(dense + r * ld + d, from == nullptr ? Zero() : LoadFirst(from + d, lanes) * Set(scale));
    }
  }
  float block[kLanes * kLanes];
  for (int64_t r = 0; r < rows; r += kLanes) {
    for (int64_t d = 0; d < shape.head_dim; d += kLanes) {
      TransposeBlock(dense + r * ld + d, ld, kLanes, kLanes, block, kLanes);
      for (int64_t j = 0; j < Smaller(kLanes, shape.head_dim - d); ++j) {
        Store(columns + (d + j) * kTileWidth + r, Load(block + j * kLanes));
      }
    }
  }
}

// Writes columns [D][48] times `scale` to the rows of a tile.
inline void StoreRows(const float* columns, const AttentionTile& tile, const AttentionShape& shape, float scale, float* data,
                      int64_t stride) {
  float block[kLanes * kLanes];
  for (int64_t r = 0; r < tile.rows; r += kLanes) {
    for (int64_t d = 0; d < shape.head_dim; d += kLanes) {
      const int64_t lanes = Smaller(kLanes, shape.head_dim - d);
      TransposeBlock(columns + d * kTileWidth + r, kTileWidth, lanes, kLanes, block, kLanes);
      for (int64_t i = 0; i < Smaller(kLanes, tile.rows - r); ++i) {
        StoreFirst(RowOf(data, stride, tile, shape, r + i) + d, Load(block + i * kLanes) * Set(scale), lanes);
      }
    }
  }
}

// The rows before the one that first sees own key `own`, within the 16 rows of vector v.
GFN_INLINE int64_t Blind(const AttentionTile& tile, int64_t group, int64_t own, int64_t v) {
  return Clamp(own * group - tile.row - v * kLanes, 0, kLanes);
}

void AttentionForward(const AttentionJob& job, const AttentionTile& tile);
void AttentionBackward(const AttentionJob& job, const AttentionTile& tile);
// Words of scratch space that either needs.
int64_t AttentionScratch(int64_t head_dim);

}  // namespace gfn::GFN_ISA
