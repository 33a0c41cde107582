// kernels_bench [filter..]: milliseconds, GFLOP/s and GB/s of each kernel on the shapes of SmolLM2-135M (several filters: lines
// that contain any of them), beside what this machine can do: a product that stays in the first-level cache, and reads of a
// large array. OMP_NUM_THREADS sets the threads; with one, processor time counts instead of the clock on the wall.
#include <omp.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "llm/kernels/attention.h"
#include "llm/kernels/dispatch.h"
#include "llm/kernels/elementwise.h"
#include "llm/kernels/gemm.h"
#include "llm/kernels/lm_head.h"
#include "llm/kernels/packed_matrix.h"
#include "llm/kernels/test_values.h"

namespace gfn {
namespace {

std::vector<std::string> filters;

bool Wanted(const std::string& label) {
  for (const std::string& filter : filters) {
    if (label.find(filter) != std::string::npos) return true;
  }
  return filters.empty();
}

double Now() {
  timespec t;
  clock_gettime(omp_get_max_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Seconds of one call: the shortest of calls that fill about 0.2 s, since whatever else runs can only add.
double Seconds(const std::function<void()>& call) {
  double best = 1e30;
  const double begin = Now();
  call();
  for (int i = 0; i < 3 || Now() - begin < 0.2; ++i) {
    const double start = Now();
    call();
    best = std::min(best, Now() - start);
  }
  return best;
}

void Print(const std::string& label, double seconds, double flop, double bytes) {
  std::printf("%-44s %9.3f ms %8.1f GFLOP/s %7.1f GB/s\n", label.c_str(), seconds * 1e3, flop / seconds / 1e9,
              bytes / seconds / 1e9);
  std::fflush(stdout);
}

void BenchMachine() {
  if (Wanted("reads")) {
    const std::vector<float> x(size_t{32} << 20);
    const int64_t width = 1 << 16, rows = static_cast<int64_t>(x.size()) / width;
    std::vector<float> mean(static_cast<size_t>(rows));
    const double seconds = Seconds([&] {
      ParallelErrors errors;
#pragma omp parallel for
      for (int64_t i = 0; i < rows; ++i) {
        errors.Run([&] {
          float sums[64] = {};
          for (int64_t j = 0; j < width; j += 64) {
            for (int64_t l = 0; l < 64; ++l) sums[l] += x[static_cast<size_t>(i * width + j + l)];
          }
          mean[static_cast<size_t>(i)] = sums[0] + sums[63];
        });
      }
      errors.Rethrow();
    });
    Print("reads", seconds, 0, static_cast<double>(x.size()) * sizeof(float));
  }
  for (const WeightType type : {WeightType::kFloat32, WeightType::kBFloat16}) {
    const std::string label = type == WeightType::kFloat32 ? "peak fp32" : "peak bf16";
    if (!Wanted(label)) continue;
    const int64_t in = type == WeightType::kFloat32 ? 128 : 256;
    const std::vector<float> w = Values(48 * in, 1), x = Values(8 * in, 2);
    const PackedMatrix matrix = PackedMatrix::Pack(w.data(), 48, in, type);
    const double seconds = Seconds([&] {
      ParallelErrors errors;
#pragma omp parallel
      errors.Run([&] {
        float y[8 * 48];
        for (int i = 0; i < 1000; ++i) matrix.Apply(x.data(), 8, in, y, 48, false, 1);
      });
      errors.Rethrow();
    });
    Print(label, seconds, 2e3 * 8 * 48 * static_cast<double>(in * omp_get_max_threads()), 0);
  }
}

const char* NameOf(WeightType type) {
  switch (type) {
    case WeightType::kFloat32:
      return "fp32";
    case WeightType::kBFloat16:
      return "bf16";
    case WeightType::kQ4_0:
      return "q4_0";
    case WeightType::kQ4_1:
      return "q4_1";
    case WeightType::kQ8_0:
      return "q8_0";
  }
  return "";
}

// A matrix of any type; blocks are random bytes under scales near 0.01.
PackedMatrix MakeMatrix(int64_t out, int64_t in, WeightType type) {
  if (type == WeightType::kFloat32 || type == WeightType::kBFloat16)
    return PackedMatrix::Pack(Values(out * in, 1, 0.05).data(), out, in, type);
  const int64_t block_bytes = type == WeightType::kQ8_0 ? 34 : (type == WeightType::kQ4_1 ? 20 : 18),
                row_bytes = in / 32 * block_bytes;
  std::vector<unsigned char> bytes(static_cast<size_t>(out * row_bytes));
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i * 2654435761u >> 13);
  for (size_t i = 0; i < bytes.size(); i += static_cast<size_t>(block_bytes)) {
    bytes[i + 1] = 0x20;
    if (type == WeightType::kQ4_1) bytes[i + 3] = 0xa4;
  }
  std::vector<const unsigned char*> rows;
  for (int64_t o = 0; o < out; ++o) rows.push_back(bytes.data() + o * row_bytes);
  PackedMatrix matrix(out, in, type, false);
  matrix.SetBlocks(0, rows);
  return matrix;
}

void BenchProducts(WeightType type) {
  const int64_t shapes[][2] = {{960, 576}, {576, 576}, {3072, 576}, {576, 1536}, {49152, 576}};
  for (const auto& [out, in] : shapes) {
    std::vector<PackedMatrix> matrices;
    for (const int64_t n : {1, 2, 4, 8, 16, 32, 64, 128, 512, 2048}) {
      for (const bool transposed : {false, true}) {
        const std::string label = std::string(transposed ? "transposed " : "apply ") + NameOf(type) + " " + std::to_string(out) +
                                  "x" + std::to_string(in) + " n=" + std::to_string(n) + ".";
        if (!Wanted(label) || (out > 10000 && n > 512)) continue;
        // As many copies as overflow the caches, so that decoding reads memory, as 30 layers do.
        if (matrices.empty()) matrices.push_back(MakeMatrix(out, in, type));
        const double bytes = static_cast<double>(matrices[0].bytes());
        while (static_cast<double>(matrices.size()) * bytes < 100e6) matrices.push_back(MakeMatrix(out, in, type));
        const std::vector<float> x = Values(n * in, 2);
        std::vector<float> y(static_cast<size_t>(n * out)), dx(static_cast<size_t>(n * in));
        size_t next = 0;
        const double seconds = Seconds([&] {
          const PackedMatrix& m = matrices[next++ % matrices.size()];
          transposed ? m.ApplyTransposed(y.data(), n, out, dx.data(), in, false) : m.Apply(x.data(), n, in, y.data(), out, false);
        });
        Print(label, seconds, 2.0 * static_cast<double>(n * out * in), bytes);
      }
    }
  }
}

// The products of an adapter of rank 64 in training.
void BenchGemm() {
  struct Product {
    const char* name;
    bool transpose_a, transpose_b;
    int64_t m, n, k;
  };
  const int64_t rows = 483, rank = 64, in = 576, out = 3072;
  const Product products[] = {{"x A^T", false, true, rows, rank, in},   {"t B^T", false, true, rows, out, rank},
                              {"dy B", false, false, rows, rank, out},  {"dt A", false, false, rows, in, rank},
                              {"dy^T t", true, false, out, rank, rows}, {"dt^T x", true, false, rank, in, rows}};
  for (const Product& p : products) {
    const std::string label =
        std::string("gemm ") + p.name + " " + std::to_string(p.m) + "x" + std::to_string(p.n) + "x" + std::to_string(p.k);
    if (!Wanted(label)) continue;
    const std::vector<float> a = Values(p.m * p.k, 1), b = Values(p.n * p.k, 2);
    std::vector<float> c(static_cast<size_t>(p.m * p.n));
    Print(label, Seconds([&] {
            Gemm(p.transpose_a, p.transpose_b, p.m, p.n, p.k, 1.0f, a.data(), p.transpose_a ? p.m : p.k, b.data(),
                 p.transpose_b ? p.k : p.n, c.data(), p.n, true);
          }),
          2.0 * static_cast<double>(p.m * p.n * p.k), 0);
  }
}

// `blocks` blocks of `count` queries behind a root of `root` tokens (a block itself if `with_root`), each seeing the root and
// `extra` keys of its own beyond that.
void BenchAttention(const std::string& name, int32_t root, bool with_root, int32_t blocks, int32_t count, int32_t extra,
                    bool backward) {
  if (!Wanted("attention " + name)) return;
  const int heads = 9, kv_heads = 3, dim = 64;
  std::vector<QueryBlock> list;
  std::vector<KeyRange> ranges;
  int32_t queries = 0, keys = root;
  double pairs = 0;
  if (with_root) {
    list.push_back({0, root, 0, 0, 0});
    queries = root;
    pairs = root * (root + 1) / 2.0;
  }
  for (int32_t b = 0; b < blocks; ++b) {
    list.push_back({queries, count, keys + extra, static_cast<int32_t>(ranges.size()), 2});
    ranges.push_back({0, root});
    ranges.push_back({keys, extra});
    queries += count;
    keys += extra + count;
    pairs += count * (root + extra) + count * (count + 1) / 2.0;
  }
  const int64_t q_width = heads * dim, k_width = kv_heads * dim;
  const std::vector<float> q = Values(queries * q_width, 1), k = Values(keys * k_width, 2), v = Values(keys * k_width, 3),
                           dout = Values(queries * q_width, 4);
  std::vector<float> out(q.size()), lse(static_cast<size_t>(queries * heads)), dq(q.size()), dk(k.size()), dv(k.size());
  const AttentionShape shape = {heads, kv_heads, dim, 0.125f};
  const AttentionForest forest = {list.data(), static_cast<int64_t>(list.size()), ranges.data()};
  const double forward = Seconds([&] {
    AttentionForward(shape, forest, {q.data(), q_width}, {k.data(), k_width}, {v.data(), k_width}, {out.data(), q_width},
                     lse.data());
  });
  Print("attention " + name + " forward", forward, pairs * heads * dim * 4, 0);
  if (!backward) return;
  const double seconds = Seconds([&] {
    AttentionBackward(shape, forest, {q.data(), q_width}, {k.data(), k_width}, {v.data(), k_width}, {out.data(), q_width},
                      lse.data(), {dout.data(), q_width}, {dq.data(), q_width}, {dk.data(), k_width}, {dv.data(), k_width}, keys);
  });
  Print("attention " + name + " backward", seconds, pairs * heads * dim * 10, 0);
}

void BenchRows() {
  const int64_t n = 2048, width = 576, inner = 1536;
  const std::vector<float> x = Values(n * width, 1), w = Values(width, 2), gate_up = Values(n * 2 * inner, 3);
  std::vector<float> y(x.size()), dx(x.size()), inverse(static_cast<size_t>(n)), gated(static_cast<size_t>(n * inner)),
      d_gate_up(gate_up.size());
  const double row_bytes = static_cast<double>(x.size() * sizeof(float)),
               gate_bytes = static_cast<double>(gated.size() * sizeof(float));
  const auto bench = [](const std::string& label, double bytes, const std::function<void()>& call) {
    if (Wanted(label)) Print(label, Seconds(call), 0, bytes);
  };
  bench("rms_norm forward n=2048", 2 * row_bytes,
        [&] { RmsNormForward(x.data(), w.data(), n, width, 1e-5f, y.data(), inverse.data()); });
  bench("rms_norm backward n=2048", 4 * row_bytes,
        [&] { RmsNormBackward(x.data(), w.data(), inverse.data(), y.data(), n, width, dx.data(), true); });
  bench("swiglu forward n=2048", 3 * gate_bytes, [&] { SwigluForward(gate_up.data(), n, inner, gated.data()); });
  bench("swiglu backward n=2048", 5 * gate_bytes,
        [&] { SwigluBackward(gate_up.data(), gated.data(), n, inner, d_gate_up.data()); });
  bench("gelu forward n=2048", 2 * gate_bytes, [&] { GeluForward(gate_up.data(), n * inner, gated.data()); });
  std::vector<int32_t> positions(static_cast<size_t>(n));
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i % 100);
  const std::vector<float> angles = Values(100 * 32, 4);
  bench("rotary n=2048", 2 * row_bytes, [&] {
    RotaryInPlace(y.data(), width, n, 9, 64, positions.data(), {angles.data(), angles.data(), 100, 64}, RotaryStyle::kRotateHalf,
                  false);
  });
}

void BenchHead(WeightType type) {
  const int64_t vocabulary = 49152, width = 576;
  PackedMatrix head;
  for (const int64_t n : {16, 416, 2048}) {
    const std::string label =
        std::string("head ") + (type == WeightType::kFloat32 ? "fp32" : "bf16") + " n=" + std::to_string(n) + ".";
    if (!Wanted(label)) continue;
    if (head.out() == 0) head = PackedMatrix::Pack(Values(vocabulary * width, 1, 0.05).data(), vocabulary, width, type);
    const std::vector<float> hidden = Values(n * width, 2), ones(static_cast<size_t>(n), 1.0f);
    const std::vector<int64_t> targets(static_cast<size_t>(n), 30000), stops = {30};
    std::vector<uint8_t> legal(static_cast<size_t>(vocabulary), 1);
    std::vector<float> target(ones), stop(ones), lse(ones), dh(hidden.size());
    const LmHeadQuery query = {targets.data(), stops.data(), 1, legal.data()};
    const double flop = 2.0 * static_cast<double>(n * vocabulary * width);
    Print(label + " forward", Seconds([&] {
            LmHeadForward(head, hidden.data(), n, width, query, {target.data(), stop.data(), lse.data()});
          }),
          flop, static_cast<double>(head.bytes()));
    Print(label + " backward", Seconds([&] {
            LmHeadBackward(head, hidden.data(), n, width, query, lse.data(), {ones.data(), ones.data(), ones.data()}, dh.data(),
                           width);
          }),
          2 * flop, static_cast<double>(head.bytes()));
  }
}

}  // namespace
}  // namespace gfn

int main(int argc, char** argv) {
  using namespace gfn;
  filters.assign(argv + 1, argv + argc);
  std::printf("%s, %d threads\n", IsaName(ActiveIsa()), omp_get_max_threads());
  BenchMachine();
  BenchProducts(WeightType::kFloat32);
  BenchProducts(WeightType::kBFloat16);
  BenchProducts(WeightType::kQ4_1);
  BenchProducts(WeightType::kQ8_0);
  BenchAttention("reward 416 x 12", 45, true, 416, 12, 13, false);
  BenchAttention("policy 67 + 16 x 26", 67, true, 16, 26, 0, true);
  BenchAttention("long 2048", 2048, true, 0, 0, 0, true);
  BenchAttention("decode 16", 67, false, 16, 1, 12, false);
  BenchAttention("decode 128", 67, false, 128, 1, 12, false);
  BenchGemm();
  BenchRows();
  BenchHead(WeightType::kFloat32);
  BenchHead(WeightType::kBFloat16);
}
