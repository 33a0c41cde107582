// Attention forward for one tile. Compiled once for each instruction set.
//
// A tile with few rows (decoding: one query, the heads of a group) would leave most lanes of a transposed score empty, so it
// has its own road, with vectors along the keys and the head. Both roads add up in one order, that of the keys and of the numbers
// of a head: what a query gets depends, bit for bit, on the sequence of its keys alone, not on how many queries come with it or
// on which ranges the keys lie in. A sampler with a cache and a scorer over whole trajectories therefore see the same numbers;
// without that bfloat16 products, which round what they are given, would make percents out of last bits.
#include "llm/kernels/attention_isa.h"

namespace gfn::GFN_ISA {
namespace {

constexpr int kFewRows = 8;

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
  float* queries = dense + kTileWidth * ld;  // [D][48]
  float* sums = queries + ld * kTileWidth;   // [D][48]
  float* scores = sums + ld * kTileWidth;    // [256][48]
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
                 sums, first && i == 0 ? nullptr : sums);
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

// Keys and values of decoding come from memory, a short row of each key at a time, which the hardware does not foresee.
GFN_INLINE void PrefetchRow(const float* row, int64_t dim) {
  for (int64_t d = 0; d < dim; d += kLanes) __builtin_prefetch(row + d, 0, 3);
}

// Keys [begin, begin + 16) of a chunk, transposed: [D][16]; those beyond its end are zero. copied: room for 16 keys, [16][D].
void TransposeKeys(const AttentionJob& job, const AttentionTile& tile, const Chunk& chunk, int64_t begin, float* copied,
                   float* columns) {
  const int64_t dim = job.shape.head_dim, head = tile.kv_head * dim, count = Smaller(kLanes, chunk.keys - begin);
  const float* from = copied;
  int64_t ld = dim;
  for (int i = 0; i < chunk.num_pieces; ++i) {
    const Piece& piece = chunk.pieces[i];
    const int64_t first = Clamp(begin - piece.offset, 0, piece.count), last = Clamp(begin + count - piece.offset, 0, piece.count);
    const float* keys = job.k.data + piece.key * job.k.stride + head;
    const float* values = job.v.data + piece.key * job.v.stride + head;
    for (int64_t j = first; j < last; ++j) {
      if (j + kLanes < piece.count) PrefetchRow(keys + (j + kLanes) * job.k.stride, dim);
      PrefetchRow(values + j * job.v.stride, dim);  // WeighFewRows wants it soon
    }
    if (last - first == count) {
      from = keys + first * job.k.stride;
      ld = job.k.stride;
    } else {
      for (int64_t j = first; j < last; ++j) {
        __builtin_memcpy(copied + (piece.offset + j - begin) * dim, keys + j * job.k.stride,
                         static_cast<size_t>(dim) * sizeof(float));
      }
    }
  }
  for (int64_t d = 0; d < dim; d += kLanes)
    TransposeBlock(from + d, ld, count, Smaller(kLanes, dim - d), columns + d * kLanes, kLanes);
}

// scores [R][256] of a chunk. dense: the queries times scale, [R][ld]; room: 32 keys.
template <int R>
void ScoreFewRows(const AttentionJob& job, const AttentionTile& tile, const Chunk& chunk, const float* dense, int64_t ld,
                  float* room, float* scores) {
  const int64_t dim = job.shape.head_dim;
  float* columns = room + kLanes * ld;
  for (int64_t begin = 0; begin < chunk.keys; begin += kLanes) {
    TransposeKeys(job, tile, chunk, begin, room, columns);
    Vec sum[R];
    for (int r = 0; r < R; ++r) sum[r] = Zero();
    for (int64_t d = 0; d < dim; ++d) {
      const Vec part = Load(columns + d * kLanes);
      for (int r = 0; r < R; ++r) sum[r] = MulAdd(part, Set(dense[r * ld + d]), sum[r]);
    }
    for (int r = 0; r < R; ++r) Store(scores + r * kChunkKeys + begin, sum[r]);
  }
}

// Turns the scores of a chunk of one row into exp(score - maximum) and updates the maximum; returns what earlier sums are to be
// multiplied by. The row sees its own keys up to number `sees`.
float WeighScores(const Chunk& chunk, int64_t sees, float* scores, float* largest) {
  for (int i = 0; i < chunk.num_pieces; ++i) {
    const Piece& piece = chunk.pieces[i];
    const int64_t visible = piece.own < 0 ? piece.count : Clamp(sees + 1 - piece.own, 0, piece.count);
    for (int64_t j = visible; j < piece.count; ++j) scores[piece.offset + j] = kMinusInfinity;
  }
  for (int64_t key = chunk.keys; key % kLanes != 0; ++key) scores[key] = kMinusInfinity;
  Vec top = Set(*largest);
  for (int64_t key = 0; key < chunk.keys; key += kLanes) top = Max(top, Load(scores + key));
  const float next = Largest(top), rescale = Lane0(Exp(Set(*largest - next)));
  for (int64_t key = 0; key < chunk.keys; key += kLanes) Store(scores + key, Exp(Load(scores + key) - Set(next)));
  *largest = next;
  return rescale;
}

// sum [R] = sum * rescale + the weights of a chunk, key by key; the rows side by side, since each waits for its own addition
// before.
template <int R>
void SumWeights(const Chunk& chunk, const float* weights, const float rescale[R], float sum[R]) {
  float total[R];
  for (int r = 0; r < R; ++r) total[r] = sum[r] * rescale[r];
  for (int64_t key = 0; key < chunk.keys; ++key) {
    for (int r = 0; r < R; ++r) total[r] += weights[r * kChunkKeys + key];
  }
  for (int r = 0; r < R; ++r) sum[r] = total[r];
}

// sums [R][ld] = sums * rescale + the values of a chunk, weighed.
template <int R>
void WeighFewRows(const AttentionJob& job, const AttentionTile& tile, const Chunk& chunk, const float* weights,
                  const float rescale[R], int64_t ld, float* sums) {
  const int64_t dim = job.shape.head_dim;
  for (int64_t d = 0; d < dim; d += kLanes) {
    const int64_t lanes = Smaller(kLanes, dim - d);
    Vec sum[R];
    for (int r = 0; r < R; ++r) sum[r] = Load(sums + r * ld + d) * Set(rescale[r]);
    for (int i = 0; i < chunk.num_pieces; ++i) {
      const Piece& piece = chunk.pieces[i];
      const float* value = job.v.data + piece.key * job.v.stride + tile.kv_head * dim + d;
      const float* weight = weights + piece.offset;
      for (int64_t j = 0; j < piece.count; ++j, value += job.v.stride, ++weight) {
        const Vec part = lanes == kLanes ? Load(value) : LoadFirst(value, lanes);
        for (int r = 0; r < R; ++r) sum[r] = MulAdd(Set(weight[r * kChunkKeys]), part, sum[r]);
      }
    }
    for (int r = 0; r < R; ++r) Store(sums + r * ld + d, sum[r]);
  }
}

template <int R>
void ForwardFewRows(const AttentionJob& job, const AttentionTile& tile) {
  const AttentionShape& shape = job.shape;
  const int64_t dim = shape.head_dim, ld = RoundUp(dim, kLanes), group = shape.num_heads / shape.num_kv_heads;
  float* dense = job.scratch;             // [R][ld], times scale
  float* sums = dense + R * ld;           // [R][ld]
  float* scores = sums + R * ld;          // [R][256]
  float* room = scores + R * kChunkKeys;  // 32 keys
  float largest[R], sum[R];
  for (int r = 0; r < R; ++r) {
    const float* from = RowOf(job.q.data, job.q.stride, tile, shape, r);
    for (int64_t d = 0; d < ld; d += kLanes) {
      Store(dense + r * ld + d, LoadFirst(from + d, Smaller(kLanes, dim - d)) * Set(shape.scale));
      Store(sums + r * ld + d, Zero());
    }
    largest[r] = kMinusInfinity;
    sum[r] = 0;
  }
  KeyWalk walk(tile, job.ranges, group);
  Chunk chunk;
  while (chunk.Fill(&walk)) {
    ScoreFewRows<R>(job, tile, chunk, dense, ld, room, scores);
    float rescale[R];
    for (int r = 0; r < R; ++r) {
      rescale[r] = WeighScores(chunk, (tile.row + r) / group, scores + r * kChunkKeys, &largest[r]);
    }
    SumWeights<R>(chunk, scores, rescale, sum);
    WeighFewRows<R>(job, tile, chunk, scores, rescale, ld, sums);
  }
  for (int r = 0; r < R; ++r) {
    float* to = RowOf(job.out.data, job.out.stride, tile, shape, r);
    const Vec inverse = Set(1.0f / sum[r]);
    for (int64_t d = 0; d < dim; d += kLanes) StoreFirst(to + d, Load(sums + r * ld + d) * inverse, Smaller(kLanes, dim - d));
    if (job.log_sum_exp != nullptr) *LogSumExpOf(job, tile, r) = largest[r] + __builtin_logf(sum[r]);
  }
}

// Few rows with R = tile.rows known to the compiler, so that the sums live in registers.
template <int R = kFewRows>
void ForwardFew(const AttentionJob& job, const AttentionTile& tile) {
  if constexpr (R > 1) {
    if (tile.rows < R) return ForwardFew<R - 1>(job, tile);
  }
  ForwardFewRows<R>(job, tile);
}

}  // namespace

int64_t AttentionScratch(int64_t head_dim) {
  // Four dense and four transposed tiles (queries, gradients, sums) and two chunks of scores.
  return 8 * kTileWidth * RoundUp(head_dim, kLanes) + 2 * kChunkKeys * kTileWidth;
}

void AttentionForward(const AttentionJob& job, const AttentionTile& tile) {
  tile.rows <= kFewRows ? ForwardFew(job, tile) : ForwardTile(job, tile);
}

}  // namespace gfn::GFN_ISA
