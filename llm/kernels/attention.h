// Attention of a token forest: blocks of queries, each seeing whole ranges of ancestor keys and its own keys causally.
//
// out[i, h] = sum_j softmax_j(scale * q[i, h] . k[j, h / group]) v[j, h / group], group = H / Hkv (grouped queries), j over the
// keys that query i sees. Keys may lie in a cache that holds more than this pass wrote. No N x M matrix is built: scores live
// in a tile of at most 256 keys x 48 query rows (a block's queries times the heads of a group), with a running maximum.
//
// Legend: N queries, M key slots, H query heads, Hkv key heads, D head width.
#pragma once

#include <cstdint>

namespace gfn {

// Key slots [begin, begin + count), all visible.
struct KeyRange {
  int32_t begin = 0;
  int32_t count = 0;
};

// Queries [query_begin, query_begin + query_count). Query i of the block sees its own keys own_key_begin .. own_key_begin + i
// and every key of ranges[range_begin .. range_begin + range_count). No key may be named twice.
struct QueryBlock {
  int32_t query_begin = 0;
  int32_t query_count = 0;
  int32_t own_key_begin = 0;
  int32_t range_begin = 0;
  int32_t range_count = 0;
};

// Borrowed arrays.
struct AttentionForest {
  const QueryBlock* blocks = nullptr;
  int64_t num_blocks = 0;
  const KeyRange* ranges = nullptr;
};

struct AttentionShape {
  int num_heads = 0;     // H, a multiple of num_kv_heads
  int num_kv_heads = 0;  // Hkv
  int head_dim = 0;      // D, a multiple of 8
  float scale = 0;       // usually 1 / sqrt(D)
};

// Rows of [rows, heads * D] float32; the stride between rows in elements lets q, k and v share one buffer.
struct ConstRows {
  const float* data = nullptr;
  int64_t stride = 0;
};
struct Rows {
  float* data = nullptr;
  int64_t stride = 0;
};

// Writes out [N, H, D] and, if log_sum_exp is given, log_sum_exp [N, H] (natural logarithm of the sum of exp(scale q.k)), for
// every query of a block. Bitwise the same for any number of threads (0: OpenMP's default), whatever other blocks there are, and
// however the keys that a query sees are cut into ranges and own keys (up to 64 ranges), as long as their order is the same.
void AttentionForward(const AttentionShape& shape, const AttentionForest& forest, ConstRows q, ConstRows k, ConstRows v, Rows out,
                      float* log_sum_exp, int num_threads = 0);

// Given out and log_sum_exp of the forward pass and dout, writes dq (each query of a block) and adds to dk and dv [M, Hkv, D],
// which num_keys = M bounds: every key slot named by the forest is below it. Bitwise reproducible for a fixed number of
// threads: each thread's share of the blocks has its own dk and dv, added up in a fixed order.
void AttentionBackward(const AttentionShape& shape, const AttentionForest& forest, ConstRows q, ConstRows k, ConstRows v,
                       ConstRows out, const float* log_sum_exp, ConstRows dout, Rows dq, Rows dk, Rows dv, int64_t num_keys,
                       int num_threads = 0);

}  // namespace gfn
