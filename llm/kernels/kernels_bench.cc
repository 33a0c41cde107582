// kernels_bench [filter]: GFLOP/s (or GB/s) of each kernel on the shapes of SmolLM2-135M, and the share of what this machine
// can do, which it measures first: multiply-adds on registers and reads of a large array.
#include <omp.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "llm/kernels/dispatch.h"
#include "llm/kernels/packed_matrix.h"
#include "llm/kernels/test_values.h"

namespace gfn {
namespace {

std::string filter;

// The clock: with one thread its processor time, so that other programs do not count.
double Now() {
  timespec t;
  clock_gettime(omp_get_max_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Seconds of one call: the shortest of calls that fill about 0.3 s, since whatever else runs can only add.
double Seconds(const std::function<void()>& call) {
  double best = 1e30;
  const double begin = Now();
  call();
  for (int i = 0; i < 5 || Now() - begin < 0.3; ++i) {
    const double start = Now();
    call();
    best = std::min(best, Now() - start);
  }
  return best;
}

double ReadBandwidth() {
  const std::vector<float> x(size_t{64} << 20);
  std::vector<double> sums(static_cast<size_t>(omp_get_max_threads()));
  const double seconds = Seconds([&] {
#pragma omp parallel
    {
      const size_t share = x.size() / static_cast<size_t>(omp_get_num_threads());
      const uint64_t* words = reinterpret_cast<const uint64_t*>(x.data() + share * static_cast<size_t>(omp_get_thread_num()));
      uint64_t sum[16] = {};
      for (size_t i = 0; i + 16 <= share / 2; i += 16) {
        for (size_t j = 0; j < 16; ++j) sum[j] += words[i + j];
      }
      sums[static_cast<size_t>(omp_get_thread_num())] = static_cast<double>(sum[0] + sum[15]);
    }
  });
  return static_cast<double>(x.size()) * sizeof(float) / seconds / 1e9;
}

void BenchPackedMatrix(WeightType type, double bandwidth) {
  const char* name = type == WeightType::kFloat32 ? "fp32" : "bf16";
  const int64_t shapes[][2] = {{960, 576}, {576, 576}, {3072, 576}, {576, 1536}, {49152, 576}};
  for (const auto& [out, in] : shapes) {
    // Several copies, so that decoding reads memory and not a cache, as 30 layers do.
    const int64_t bytes = out * in * (type == WeightType::kFloat32 ? 4 : 2);
    const int64_t copies = std::max<int64_t>(1, (int64_t{200} << 20) / bytes);
    const std::vector<float> w = Values(out * in, 1, 0.05);
    std::vector<PackedMatrix> matrices;
    for (int64_t i = 0; i < copies; ++i) matrices.push_back(PackedMatrix::Pack(w.data(), out, in, type));
    for (const int64_t n : {1, 2, 4, 8, 16, 32, 64, 128, 512, 2048}) {
      if (out > 10000 && n > 512) continue;
      const std::vector<float> x = Values(n * in, 2);
      std::vector<float> y(static_cast<size_t>(n * out)), dx(static_cast<size_t>(n * in));
      size_t next = 0;
      for (const bool transposed : {false, true}) {
        const std::string label = std::string(transposed ? "transposed " : "apply ") + name + " " + std::to_string(out) +
                                  "x" + std::to_string(in) + " n=" + std::to_string(n);
        if (label.find(filter) == std::string::npos) continue;
        const double seconds = Seconds([&] {
          const PackedMatrix& m = matrices[next++ % matrices.size()];
          if (transposed) {
            m.ApplyTransposed(y.data(), n, out, dx.data(), in, false);
          } else {
            m.Apply(x.data(), n, in, y.data(), out, false);
          }
        });
        const double gflops = 2e-9 * static_cast<double>(n * out * in) / seconds;
        const double gbytes = 1e-9 * static_cast<double>(bytes) / seconds;
        std::printf("%-36s %9.3f ms %8.1f GFLOP/s  %6.1f GB/s of weights (%3.0f %%)\n", label.c_str(), seconds * 1e3, gflops,
                    gbytes, 100 * gbytes / bandwidth);
      }
    }
  }
}

}  // namespace
}  // namespace gfn

int main(int argc, char** argv) {
  using namespace gfn;
  if (argc > 1) filter = argv[1];
  const double bandwidth = ReadBandwidth();
  std::printf("%s, %d threads, reads %.1f GB/s\n", IsaName(ActiveIsa()), omp_get_max_threads(), bandwidth);
  BenchPackedMatrix(WeightType::kFloat32, bandwidth);
  BenchPackedMatrix(WeightType::kBFloat16, bandwidth);
}
