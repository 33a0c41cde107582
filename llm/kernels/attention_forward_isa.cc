// Attention forward for one tile. Compiled once for each instruction set.
//
// A tile with few rows (decoding: one query, the heads of a group) would leave most lanes of a transposed score empty, so it
// has its own road, with vectors along the head; both compute the same sums in another order.
#include "llm/kernels/attention_isa.h"

namespace gfn::GFN_ISA {
namespace {

constexpr int64_t kFewRows = 8;
constexpr float kMinusInfinity = -__builtin_inff();

// Running maximum and sum of exponentials of each row, [48].
struct Softmax {
  Vec largest[3], sum[3];
};

// Masks the scores of a chunk, turns them into exp(score - maximum) and updates the running values; returns in `rescale` what
// earlier sums are to be multiplied by.
void UpdateSoftmax(const AttentionTile& tile, int64_t group, const Chunk& chunk, float* scores, Softmax* softmax,
                   Vec rescale[3]) {
  const int vectors = static_cast<int>((tile.rows + kLanes - 1) / kLanes);
  for (int v = 0; v < vectors; ++v) {
    for (int i = 0; i < chunk.num_pieces; ++i) {
      const Piece& piece = chunk.pieces[i];
      for (int64_t j = 0; j < piece.count && piece.own >= 0; ++j) {
        float* at = scores + (piece.offset + j) * kTileWidth + v * kLanes;
        const int64_t blind = Blind(tile, group, piece.own + j, v);
        if (blind > 0) Store(at, FirstFrom(blind, Set(kMinusInfinity), Load(at)));
      }
    }
    Vec largest = softmax->largest[v];
    for (int64_t key = 0; key < chunk.keys; ++key) largest = Max(largest, Load(scores + key * kTileWidth + v * kLanes));
    rescale[v] = Exp(softmax->largest[v] - largest);
    Vec sum = softmax->sum[v] * rescale[v];
    for (int64_t key = 0; key < chunk.keys; ++key) {
      float* at = scores + key * kTileWidth + v * kLanes;
      const Vec weight = Exp(Load(at) - largest);
      Store(at, weight);
      sum = sum + weight;
    }
    softmax->largest[v] = largest;
    softmax->sum[v] = sum;
  }
}

void ForwardTile(const AttentionJob& job, const AttentionTile& tile) {
  const AttentionShape& shape = job.shape;
  const int64_t dim = shape.head_dim, ld = RoundUp(dim, kLanes), group = shape.num_heads / shape.num_kv_heads;
  const int64_t width = RoundUp(tile.rows, kLanes);
  float* dense = job.scratch;
  float* queries = dense + kTileWidth * ld;    // [D][48]
  float* sums = queries + ld * kTileWidth;     // [D][48]
  float* scores = sums + ld * kTileWidth;      // [256][48]
  LoadRows(job.q.data, job.q.stride, tile, shape, shape.scale, dense, ld, queries);
  const float* keys = job.k.data + tile.kv_head * dim;
  const float* values = job.v.data + tile.kv_head * dim;
  Softmax softmax;
  for (int v = 0; v < 3; ++v) {
    softmax.largest[v] = Set(kMinusInfinity);
    softmax.sum[v] = Zero();
  }
  KeyWalk walk(tile, job.ranges, group);
  Chunk chunk;
  for (bool first = true; chunk.Fill(&walk); first = false) {
    for (int i = 0; i < chunk.num_pieces; ++i) {
      const Piece& piece = chunk.pieces[i];
      ScorePiece(keys + piece.key * job.k.stride, job.k.stride, piece.count, dim, queries, width,
                 scores + piece.offset * kTileWidth);
    }
    Vec rescale[3];
    UpdateSoftmax(tile, group, chunk, scores, &softmax, rescale);
    for (int64_t d = 0; d < dim && !first; ++d) {
      for (int64_t v = 0; v * kLanes < width; ++v) {
        float* at = sums + d * kTileWidth + v * kLanes;
        Store(at, Load(at) * rescale[v]);
      }
    }
    for (int i = 0; i < chunk.num_pieces; ++i) {
      const Piece& piece = chunk.pieces[i];
      WeighPiece(values + piece.key * job.v.stride, job.v.stride, piece.count, dim, scores + piece.offset * kTileWidth, width,
                 sums, !first || i > 0);
    }
  }
  for (int64_t v = 0; v * kLanes < width; ++v) {
    const Vec inverse = Set(1.0f) / softmax.sum[v];
    for (int64_t d = 0; d < dim; ++d) {
      float* at = sums + d * kTileWidth + v * kLanes;
      Store(at, Load(at) * inverse);
    }
  }
  StoreRows(sums, tile, shape, 1.0f, job.out.data, job.out.stride);
  if (job.log_sum_exp == nullptr) return;
  float largest[kTileWidth], sum[kTileWidth];
  for (int v = 0; v < 3; ++v) {
    Store(largest + v * kLanes, softmax.largest[v]);
    Store(sum + v * kLanes, softmax.sum[v]);
  }
  for (int64_t r = 0; r < tile.rows; ++r) *LogSumExpOf(job, tile, r) = largest[r] + __builtin_logf(sum[r]);
}

// scores [rows][256] of a piece: dot products along the head.
void ScoreFewRows(const AttentionJob& job, const AttentionTile& tile, const Piece& piece, const float* dense, int64_t ld,
                  float* scores) {
  const int64_t dim = job.shape.head_dim;
  for (int64_t j = 0; j < piece.count; ++j) {
    const float* key = job.k.data + (piece.key + j) * job.k.stride + tile.kv_head * dim;
    Vec sum[kFewRows];
    for (int64_t r = 0; r < tile.rows; ++r) sum[r] = Zero();
    for (int64_t d = 0; d < dim; d += kLanes) {
      const Vec part = dim - d >= kLanes ? Load(key + d) : LoadFirst(key + d, dim - d);
      for (int64_t r = 0; r < tile.rows; ++r) sum[r] = MulAdd(part, Load(dense + r * ld + d), sum[r]);
    }
    for (int64_t r = 0; r < tile.rows; ++r) scores[r * kChunkKeys + piece.offset + j] = Sum(sum[r]);
  }
}

void ForwardFewRows(const AttentionJob& job, const AttentionTile& tile) {
  const AttentionShape& shape = job.shape;
  const int64_t dim = shape.head_dim, ld = RoundUp(dim, kLanes), group = shape.num_heads / shape.num_kv_heads;
  float* dense = job.scratch;                // [rows][ld], times scale
  float* sums = dense + kFewRows * ld;       // [rows][ld]
  float* scores = sums + kFewRows * ld;      // [rows][256]
  for (int64_t r = 0; r < tile.rows; ++r) {
    const float* from = RowOf(job.q.data, job.q.stride, tile, shape, r);
    for (int64_t d = 0; d < ld; d += kLanes) {
      Store(dense + r * ld + d, LoadFirst(from + d, Smaller(kLanes, dim - d)) * Set(shape.scale));
      Store(sums + r * ld + d, Zero());
    }
  }
  float largest[kFewRows], sum[kFewRows];
  for (int64_t r = 0; r < kFewRows; ++r) {
    largest[r] = kMinusInfinity;
    sum[r] = 0;
  }
  KeyWalk walk(tile, job.ranges, group);
  Chunk chunk;
  while (chunk.Fill(&walk)) {
    for (int i = 0; i < chunk.num_pieces; ++i) ScoreFewRows(job, tile, chunk.pieces[i], dense, ld, scores);
    for (int64_t r = 0; r < tile.rows; ++r) {
      float* row = scores + r * kChunkKeys;
      const int64_t sees = (tile.row + r) / group;  // the last own key that the row sees
      for (int i = 0; i < chunk.num_pieces; ++i) {
        const Piece& piece = chunk.pieces[i];
        for (int64_t j = piece.own < 0 ? piece.count : Clamp(sees + 1 - piece.own, 0, piece.count); j < piece.count; ++j) {
          row[piece.offset + j] = kMinusInfinity;
        }
      }
      for (int64_t key = chunk.keys; key % kLanes != 0; ++key) row[key] = kMinusInfinity;
      Vec top = Set(largest[r]);
      for (int64_t key = 0; key < chunk.keys; key += kLanes) top = Max(top, Load(row + key));
      const float next = Largest(top), rescale = Lane0(Exp(Set(largest[r] - next)));
      Vec total = Zero();
      for (int64_t key = 0; key < chunk.keys; key += kLanes) {
        const Vec weight = Exp(Load(row + key) - Set(next));
        Store(row + key, weight);
        total = total + weight;
      }
      sum[r] = sum[r] * rescale + Sum(total);
      largest[r] = next;
      for (int64_t d = 0; d < ld; d += kLanes) Store(sums + r * ld + d, Load(sums + r * ld + d) * Set(rescale));
    }
    for (int64_t d = 0; d < dim; d += kLanes) {
      const int64_t lanes = Smaller(kLanes, dim - d);
      Vec acc[kFewRows];
      for (int64_t r = 0; r < tile.rows; ++r) acc[r] = Load(sums + r * ld + d);
      for (int i = 0; i < chunk.num_pieces; ++i) {
        const Piece& piece = chunk.pieces[i];
        const float* value = job.v.data + piece.key * job.v.stride + tile.kv_head * dim + d;
        for (int64_t j = 0; j < piece.count; ++j, value += job.v.stride) {
          const Vec part = lanes == kLanes ? Load(value) : LoadFirst(value, lanes);
          for (int64_t r = 0; r < tile.rows; ++r) acc[r] = MulAdd(Set(scores[r * kChunkKeys + piece.offset + j]), part, acc[r]);
        }
      }
      for (int64_t r = 0; r < tile.rows; ++r) Store(sums + r * ld + d, acc[r]);
    }
  }
  for (int64_t r = 0; r < tile.rows; ++r) {
    float* to = RowOf(job.out.data, job.out.stride, tile, shape, r);
    const Vec inverse = Set(1.0f / sum[r]);
    for (int64_t d = 0; d < dim; d += kLanes) StoreFirst(to + d, Load(sums + r * ld + d) * inverse, Smaller(kLanes, dim - d));
    if (job.log_sum_exp != nullptr) *LogSumExpOf(job, tile, r) = largest[r] + __builtin_logf(sum[r]);
  }
}

}  // namespace

int64_t AttentionScratch(int64_t head_dim) {
  // Four dense and four transposed tiles (queries, gradients, sums) and two chunks of scores.
  return 8 * kTileWidth * RoundUp(head_dim, kLanes) + 2 * kChunkKeys * kTileWidth;
}

void AttentionForward(const AttentionJob& job, const AttentionTile& tile) {
  tile.rows <= kFewRows ? ForwardFewRows(job, tile) : ForwardTile(job, tile);
}

}  // namespace gfn::GFN_ISA
