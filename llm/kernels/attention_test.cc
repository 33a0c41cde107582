// Forest attention against a naive float64 twin, forward and backward, for every instruction set that the processor has.
#include "llm/kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "llm/kernels/dispatch.h"
#include "llm/kernels/test_values.h"

namespace gfn {
namespace {

using Doubles = std::vector<double>;

// A forest and its tensors in float64; q [N, H D], k and v [M, Hkv D].
struct AttentionCase {
  std::string name;
  int heads, kv_heads, dim;
  int64_t num_queries = 0, num_keys = 0;
  std::vector<QueryBlock> blocks;
  std::vector<KeyRange> ranges;

  AttentionShape Shape() const { return {heads, kv_heads, dim, 1 / std::sqrt(static_cast<float>(dim))}; }
  AttentionForest Forest() const { return {blocks.data(), static_cast<int64_t>(blocks.size()), ranges.data()}; }
  std::vector<int64_t> KeysOf(const QueryBlock& block, int64_t query) const {
    std::vector<int64_t> keys;
    for (int32_t r = 0; r < block.range_count; ++r) {
      const KeyRange& range = ranges[static_cast<size_t>(block.range_begin) + static_cast<size_t>(r)];
      for (int32_t j = 0; j < range.count; ++j) keys.push_back(range.begin + j);
    }
    for (int64_t j = 0; j <= query; ++j) keys.push_back(block.own_key_begin + j);
    return keys;
  }
};

struct Tensors {
  Doubles q, k, v, out, lse, dout, dq, dk, dv;
};

void NaiveForward(const AttentionCase& c, Tensors* t) {
  t->out.assign(t->q.size(), 0);
  t->lse.assign(static_cast<size_t>(c.num_queries * c.heads), 0);
  const int64_t group = c.heads / c.kv_heads;
  const double scale = c.Shape().scale;
  for (const QueryBlock& block : c.blocks) {
    for (int64_t i = 0; i < block.query_count; ++i) {
      for (int64_t h = 0; h < c.heads; ++h) {
        const size_t q = static_cast<size_t>(((block.query_begin + i) * c.heads + h) * c.dim);
        const std::vector<int64_t> keys = c.KeysOf(block, i);
        Doubles scores;
        for (const int64_t key : keys) {
          const size_t k = static_cast<size_t>((key * c.kv_heads + h / group) * c.dim);
          double dot = 0;
          for (size_t d = 0; d < static_cast<size_t>(c.dim); ++d) dot += t->q[q + d] * t->k[k + d];
          scores.push_back(scale * dot);
        }
        const double top = *std::max_element(scores.begin(), scores.end());
        double sum = 0;
        for (const double s : scores) sum += std::exp(s - top);
        const double lse = t->lse[static_cast<size_t>((block.query_begin + i) * c.heads + h)] = top + std::log(sum);
        for (size_t j = 0; j < keys.size(); ++j) {
          const size_t v = static_cast<size_t>((keys[j] * c.kv_heads + h / group) * c.dim);
          for (size_t d = 0; d < static_cast<size_t>(c.dim); ++d) t->out[q + d] += std::exp(scores[j] - lse) * t->v[v + d];
        }
      }
    }
  }
}

void NaiveBackward(const AttentionCase& c, Tensors* t) {
  t->dq.assign(t->q.size(), 0);
  t->dk.assign(t->k.size(), 0);
  t->dv.assign(t->v.size(), 0);
  const int64_t group = c.heads / c.kv_heads;
  const size_t dim = static_cast<size_t>(c.dim);
  const double scale = c.Shape().scale;
  for (const QueryBlock& block : c.blocks) {
    for (int64_t i = 0; i < block.query_count; ++i) {
      for (int64_t h = 0; h < c.heads; ++h) {
        const size_t row = static_cast<size_t>((block.query_begin + i) * c.heads + h), q = row * dim;
        double delta = 0;
        for (size_t d = 0; d < dim; ++d) delta += t->dout[q + d] * t->out[q + d];
        for (const int64_t key : c.KeysOf(block, i)) {
          const size_t k = static_cast<size_t>(key * c.kv_heads + h / group) * dim;
          double score = 0, dp = 0;
          for (size_t d = 0; d < dim; ++d) {
            score += scale * t->q[q + d] * t->k[k + d];
            dp += t->dout[q + d] * t->v[k + d];
          }
          const double p = std::exp(score - t->lse[row]), ds = p * (dp - delta) * scale;
          for (size_t d = 0; d < dim; ++d) {
            t->dq[q + d] += ds * t->k[k + d];
            t->dk[k + d] += ds * t->q[q + d];
            t->dv[k + d] += p * t->dout[q + d];
          }
        }
      }
    }
  }
}

// Lays blocks out one behind the other, each with its own keys after `first_key`.
AttentionCase MakeCase(std::string name, int heads, int kv_heads, int dim, const std::vector<int32_t>& counts,
                       const std::vector<std::vector<KeyRange>>& ranges, int32_t first_key = 0) {
  AttentionCase c{std::move(name), heads, kv_heads, dim, 0, first_key, {}, {}};
  for (size_t b = 0; b < counts.size(); ++b) {
    c.blocks.push_back({static_cast<int32_t>(c.num_queries), counts[b], static_cast<int32_t>(c.num_keys),
                        static_cast<int32_t>(c.ranges.size()), static_cast<int32_t>(ranges[b].size())});
    c.ranges.insert(c.ranges.end(), ranges[b].begin(), ranges[b].end());
    c.num_queries += counts[b];
    c.num_keys += counts[b];
  }
  return c;
}

std::vector<AttentionCase> Cases() {
  std::vector<AttentionCase> cases;
  cases.push_back(MakeCase("one_token", 1, 1, 8, {1}, {{}}));
  cases.push_back(MakeCase("causal", 9, 3, 64, {67}, {{}}));
  cases.push_back(MakeCase("long_causal", 2, 2, 32, {600}, {{}}));
  cases.push_back(MakeCase("policy", 9, 3, 64, {67, 26, 26, 26}, {{}, {{0, 67}}, {{0, 67}}, {{0, 67}}}));
  cases.push_back(
      MakeCase("reward", 9, 3, 64, {45, 25, 12, 12, 12}, {{}, {{0, 45}}, {{0, 45}}, {{0, 45}, {45, 1}}, {{0, 45}, {45, 25}}}));
  cases.push_back(MakeCase("decode", 9, 3, 64, {1, 1, 1}, {{{0, 67}, {67, 3}}, {{0, 67}, {70, 9}}, {{0, 67}}}, 80));
  cases.push_back(MakeCase("decode_long", 4, 2, 48, {1, 2}, {{{0, 700}}, {{10, 300}, {400, 0}, {500, 17}}}, 700));
  cases.push_back(MakeCase("odd_width", 6, 2, 40, {5, 30}, {{}, {{1, 3}}}));
  cases.push_back(MakeCase("wide", 4, 1, 80, {20, 3}, {{}, {{2, 9}}}));
  cases.push_back(MakeCase("empty_block", 2, 1, 16, {0, 4}, {{}, {}}));
  AttentionCase many = MakeCase("many_ranges", 2, 1, 16, {12, 300}, {{}, {}}, 400);
  many.blocks[1].range_begin = 0;
  for (int32_t r = 0; r < 150; ++r) many.ranges.push_back({r * 2, 1});
  many.blocks[1].range_count = 150;
  cases.push_back(many);
  return cases;
}

Doubles ToDoubles(const std::vector<float>& x) { return Doubles(x.begin(), x.end()); }

void ExpectNear(const std::vector<float>& got, const Doubles& want, double tolerance, const std::string& what) {
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance * std::max(1.0, std::abs(want[i]))) << what << " at " << i;
  }
}

class AttentionTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override { scope_.emplace(GetParam()); }
  std::optional<ScopedIsa> scope_;
};

struct Results {
  std::vector<float> out, lse, dq, dk, dv;
};

Results RunBoth(const AttentionCase& c, const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v,
                const std::vector<float>& dout, int threads) {
  const int64_t q_width = c.heads * c.dim, k_width = c.kv_heads * c.dim;
  Results r;
  r.out.resize(q.size());
  r.dq.resize(q.size());
  r.lse.resize(static_cast<size_t>(c.num_queries * c.heads));
  r.dk.resize(k.size());
  r.dv.resize(v.size());
  AttentionForward(c.Shape(), c.Forest(), {q.data(), q_width}, {k.data(), k_width}, {v.data(), k_width}, {r.out.data(), q_width},
                   r.lse.data(), threads);
  AttentionBackward(c.Shape(), c.Forest(), {q.data(), q_width}, {k.data(), k_width}, {v.data(), k_width}, {r.out.data(), q_width},
                    r.lse.data(), {dout.data(), q_width}, {r.dq.data(), q_width}, {r.dk.data(), k_width}, {r.dv.data(), k_width},
                    c.num_keys, threads);
  return r;
}

TEST_P(AttentionTest, EqualsNaiveForwardAndBackward) {
  for (const AttentionCase& c : Cases()) {
    SCOPED_TRACE(c.name);
    const std::vector<float> q = Values(c.num_queries * c.heads * c.dim, 1, 1.5),
                             k = Values(c.num_keys * c.kv_heads * c.dim, 2, 1.5), v = Values(c.num_keys * c.kv_heads * c.dim, 3),
                             dout = Values(c.num_queries * c.heads * c.dim, 4);
    Tensors t{ToDoubles(q), ToDoubles(k), ToDoubles(v), {}, {}, ToDoubles(dout), {}, {}, {}};
    NaiveForward(c, &t);
    NaiveBackward(c, &t);
    const Results r = RunBoth(c, q, k, v, dout, 2);
    ExpectNear(r.out, t.out, 1e-5, "out");
    ExpectNear(r.lse, t.lse, 1e-5, "log_sum_exp");
    ExpectNear(r.dq, t.dq, 2e-5, "dq");
    ExpectNear(r.dk, t.dk, 5e-5, "dk");
    ExpectNear(r.dv, t.dv, 5e-5, "dv");
    // The same again: bitwise equal; the forward pass also for another number of threads.
    const Results again = RunBoth(c, q, k, v, dout, 2), one = RunBoth(c, q, k, v, dout, 1);
    EXPECT_EQ(r.out, again.out);
    EXPECT_EQ(r.dk, again.dk);
    EXPECT_EQ(r.dv, again.dv);
    EXPECT_EQ(r.dq, again.dq);
    EXPECT_EQ(r.out, one.out);
    EXPECT_EQ(r.lse, one.lse);
    EXPECT_EQ(r.dq, one.dq);
  }
}

// What a query gets does not depend on how its keys come: all queries of a sequence in one block, or each alone behind ranges of
// any cut, as a sampler with a cache sees them.
TEST_P(AttentionTest, OneQueryAtATimeIsBitwiseTheSame) {
  for (const auto& [heads, kv_heads, dim] : {std::array{9, 3, 64}, std::array{2, 1, 40}, std::array{8, 1, 16}}) {
    const int64_t length = 300, q_width = heads * dim, k_width = kv_heads * dim;
    const AttentionCase whole = MakeCase("whole", heads, kv_heads, dim, {length}, {{}});
    const std::vector<float> q = Values(length * q_width, 1, 1.5), k = Values(length * k_width, 2, 1.5),
                             v = Values(length * k_width, 3);
    std::vector<float> out(q.size()), lse(static_cast<size_t>(length * heads));
    const auto run = [&](const AttentionCase& c) {
      AttentionForward(c.Shape(), c.Forest(), {q.data(), q_width}, {k.data(), k_width}, {v.data(), k_width},
                       {out.data(), q_width}, lse.data());
    };
    run(whole);
    const std::vector<float> whole_out = out, whole_lse = lse;
    std::fill(out.begin(), out.end(), 0.0f);
    AttentionCase alone{"alone", heads, kv_heads, dim, length, length, {}, {}};
    for (int32_t i = 0; i < length; ++i) {
      const int32_t cut = i * 7 % (i + 1);
      alone.blocks.push_back({i, 1, i, static_cast<int32_t>(alone.ranges.size()), 2});
      alone.ranges.push_back({0, cut});
      alone.ranges.push_back({cut, i - cut});
    }
    run(alone);
    EXPECT_EQ(out, whole_out) << heads << " heads of " << dim;
    EXPECT_EQ(lse, whole_lse) << heads << " heads of " << dim;
  }
}

TEST_P(AttentionTest, SharedBufferAndAccumulation) {
  // q | k | v in one buffer with a row stride; dk and dv add to what is there.
  const AttentionCase c = MakeCase("fused", 4, 2, 16, {9, 5}, {{}, {{0, 9}}});
  const int64_t stride = 4 * 16 + 2 * 2 * 16;
  std::vector<float> qkv = Values(14 * stride, 1), out(14 * 64), lse(14 * 4), grad(14 * stride, 1.0f);
  const std::vector<float> dout = Values(14 * 64, 2);
  const auto at = [&](int64_t offset) { return ConstRows{qkv.data() + offset, stride}; };
  const auto grad_at = [&](int64_t offset) { return Rows{grad.data() + offset, stride}; };
  AttentionForward(c.Shape(), c.Forest(), at(0), at(64), at(96), {out.data(), 64}, lse.data());
  AttentionBackward(c.Shape(), c.Forest(), at(0), at(64), at(96), {out.data(), 64}, lse.data(), {dout.data(), 64}, grad_at(0),
                    grad_at(64), grad_at(96), 14);
  std::vector<float> q, k, v;
  for (int64_t i = 0; i < 14; ++i) {
    const float* row = qkv.data() + i * stride;
    q.insert(q.end(), row, row + 64);
    k.insert(k.end(), row + 64, row + 96);
    v.insert(v.end(), row + 96, row + 128);
  }
  const Results want = RunBoth(c, q, k, v, dout, 1);
  EXPECT_EQ(out, want.out);
  for (int64_t i = 0; i < 14; ++i) {
    for (int64_t j = 0; j < 64; ++j) EXPECT_EQ(grad[i * stride + j], want.dq[i * 64 + j]);
    for (int64_t j = 0; j < 32; ++j) {
      EXPECT_NEAR(grad[i * stride + 64 + j], 1 + want.dk[i * 32 + j], 1e-5);
      EXPECT_NEAR(grad[i * stride + 96 + j], 1 + want.dv[i * 32 + j], 1e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, AttentionTest, testing::ValuesIn(SupportedIsas()),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

// The twin's own gradient against central differences.
TEST(AttentionTwinTest, GradientEqualsFiniteDifferences) {
  const AttentionCase c = MakeCase("small", 2, 1, 8, {3, 2}, {{}, {{0, 2}}});
  Tensors t{ToDoubles(Values(5 * 16, 1)), ToDoubles(Values(5 * 8, 2)), ToDoubles(Values(5 * 8, 3)), {}, {}, {}, {}, {}, {}};
  t.dout = ToDoubles(Values(5 * 16, 4));
  NaiveForward(c, &t);
  NaiveBackward(c, &t);
  const auto loss = [&](Tensors x) {
    NaiveForward(c, &x);
    double sum = 0;
    for (size_t i = 0; i < x.out.size(); ++i) sum += x.out[i] * t.dout[i];
    return sum;
  };
  const auto check = [&](Doubles Tensors::*member, const Doubles& gradient) {
    for (size_t i = 0; i < gradient.size(); ++i) {
      Tensors up = t, down = t;
      (up.*member)[i] += 1e-5;
      (down.*member)[i] -= 1e-5;
      ASSERT_NEAR((loss(up) - loss(down)) / 2e-5, gradient[i], 1e-8);
    }
  };
  check(&Tensors::q, t.dq);
  check(&Tensors::k, t.dk);
  check(&Tensors::v, t.dv);
}

TEST(AttentionDeathTest, RefusesAnOddHeadWidth) {
  EXPECT_DEATH(AttentionForward({2, 1, 12, 1}, {}, {}, {}, {}, {}, nullptr), "key heads of width 12");
}

}  // namespace
}  // namespace gfn
