// Attention backward for one tile. Compiled once for each instruction set.
//
// With P = exp(S - log_sum_exp), delta = sum_d dout * out (Dao et al. 2022, FlashAttention, appendix B):
//   dV += P^T dout,  dP = dout V^T,  dS = P (dP - delta),  dQ = scale dS K,  dK += scale dS^T Q
// S, P, dP and dS are held transposed, [key][48 rows].
#include "llm/kernels/attention_isa.h"

namespace gfn::GFN_ISA {
namespace {

// rows [count, D] += weights [count][48] times dense [rows][ld].
void Spread(const float* weights, int64_t count, const float* dense, int64_t ld, int64_t rows, float* to, int64_t stride,
            int64_t head_dim) {
  const int64_t step = head_dim % 48 == 0 ? 48 : 32;
  const RowTiles tiles(count);
  for (int64_t t = 0; t < tiles.count; ++t) {
    const int64_t key = tiles.Begin(t), height = tiles.Begin(t + 1) - key;
    for (int64_t d = 0; d < head_dim; d += step) {
      const int64_t cols = Smaller(step, head_dim - d);
      TileFor<DotFloat>(height, cols)({weights + key * kTileWidth, kTileWidth, 1, dense + d, ld, rows}, to + key * stride + d,
                                      stride, cols, true);
    }
  }
}

// scores becomes P, slopes (dP) becomes dS.
void Differentiate(const AttentionTile& tile, int64_t group, const Chunk& chunk, const float* log_sum_exp, const float* delta,
                   float* scores, float* slopes) {
  for (int64_t v = 0; v * kLanes < tile.rows; ++v) {
    const Vec offset = Load(log_sum_exp + v * kLanes), mean = Load(delta + v * kLanes);
    for (int i = 0; i < chunk.num_pieces; ++i) {
      const Piece& piece = chunk.pieces[i];
      for (int64_t j = 0; j < piece.count; ++j) {
        const int64_t at = (piece.offset + j) * kTileWidth + v * kLanes;
        Vec weight = Exp(Load(scores + at) - offset);
        const int64_t blind = piece.own < 0 ? 0 : Blind(tile, group, piece.own + j, v);
        if (blind > 0) weight = FirstFrom(blind, Zero(), weight);
        Store(scores + at, weight);
        Store(slopes + at, weight * (Load(slopes + at) - mean));
      }
    }
  }
}

}  // namespace

void AttentionBackward(const AttentionJob& job, const AttentionTile& tile) {
  const AttentionShape& shape = job.shape;
  const int64_t dim = shape.head_dim, ld = RoundUp(dim, kLanes), group = shape.num_heads / shape.num_kv_heads;
  const int64_t width = RoundUp(tile.rows, kLanes), area = kTileWidth * ld;
  float* dense_q = job.scratch;                      // [48][ld], times scale
  float* dense_dout = dense_q + area;                // [48][ld]
  float* queries = dense_dout + area;                // [D][48]
  float* douts = queries + area;                     // [D][48]
  float* sums = douts + area;                        // [D][48]: dQ
  float* scores = sums + area;                       // [256][48]: S, then P
  float* slopes = scores + kChunkKeys * kTileWidth;  // [256][48]: dP, then dS
  LoadRows(job.q.data, job.q.stride, tile, shape, shape.scale, dense_q, ld, queries);
  LoadRows(job.dout.data, job.dout.stride, tile, shape, 1.0f, dense_dout, ld, douts);
  float log_sum_exp[kTileWidth], delta[kTileWidth];
  for (int64_t r = 0; r < kTileWidth; ++r) {
    // exp(0 - infinity) = 0: rows beyond the tile weigh nothing.
    log_sum_exp[r] = r < tile.rows ? *LogSumExpOf(job, tile, r) : __builtin_inff();
    Vec sum = Zero();
    for (int64_t d = 0; d < dim && r < tile.rows; d += kLanes) {
      const Vec out = LoadFirst(RowOf(job.out.data, job.out.stride, tile, shape, r) + d, Smaller(kLanes, dim - d));
      sum = MulAdd(out, Load(dense_dout + r * ld + d), sum);
    }
    delta[r] = Sum(sum);
  }
  const int64_t head = tile.kv_head * dim;
  KeyWalk walk(tile, job.ranges, group);
  Chunk chunk;
  for (bool first = true; chunk.Fill(&walk); first = false) {
    for (int i = 0; i < chunk.num_pieces; ++i) {
      const Piece& piece = chunk.pieces[i];
      const int64_t offset = piece.offset * kTileWidth;
      ScorePiece(job.k.data + piece.key * job.k.stride + head, job.k.stride, piece.count, dim, queries, width, scores + offset);
      ScorePiece(job.v.data + piece.key * job.v.stride + head, job.v.stride, piece.count, dim, douts, width, slopes + offset);
    }
    Differentiate(tile, group, chunk, log_sum_exp, delta, scores, slopes);
    for (int i = 0; i < chunk.num_pieces; ++i) {
      const Piece& piece = chunk.pieces[i];
      const int64_t offset = piece.offset * kTileWidth;
      Spread(scores + offset, piece.count, dense_dout, ld, tile.rows, job.dv.data + piece.key * job.dv.stride + head,
             job.dv.stride, dim);
      Spread(slopes + offset, piece.count, dense_q, ld, tile.rows, job.dk.data + piece.key * job.dk.stride + head, job.dk.stride,
             dim);
      WeighPiece(job.k.data + piece.key * job.k.stride + head, job.k.stride, piece.count, dim, slopes + offset, width, sums,
                 first && i == 0 ? nullptr : sums);
    }
  }
  StoreRows(sums, tile, shape, shape.scale, job.dq.data, job.dq.stride);
}

}  // namespace gfn::GFN_ISA
