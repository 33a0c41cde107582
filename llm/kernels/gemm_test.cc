// Plain products against a naive float64 twin, for every instruction set that the processor has.
#include "llm/kernels/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "llm/kernels/dispatch.h"
#include "llm/kernels/test_values.h"

namespace gfn {
namespace {

class GemmTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override { scope_.emplace(GetParam()); }
  std::optional<ScopedIsa> scope_;
};

TEST_P(GemmTest, EqualsNaive) {
  const int64_t shapes[][3] = {{0, 3, 4},     {3, 0, 4},     {3, 4, 0},    {1, 1, 1},    {2, 16, 3},
                               {7, 17, 33},   {64, 64, 100}, {16, 8, 576}, {8, 576, 50}, {130, 200, 70},
                               {65, 33, 800}, {3, 97, 385},  {100, 64, 64}};
  for (const auto& [m, n, k] : shapes) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        for (const bool accumulate : {false, true}) {
          const int64_t ld_a = (transpose_a ? m : k) + 2, ld_b = (transpose_b ? k : n) + 1, ld_c = n + 3;
          // Exactly as large as the matrices, so that a read beyond them is seen by the address sanitizer.
          const std::vector<float> a = Values((transpose_a ? k : m) * ld_a, 1), b = Values((transpose_b ? n : k) * ld_b, 2);
          const std::vector<float> before = Values(m * ld_c, 3);
          std::vector<float> c = before, again = before;
          Gemm(transpose_a, transpose_b, m, n, k, 0.5f, a.data(), ld_a, b.data(), ld_b, c.data(), ld_c, accumulate, 2);
          Gemm(transpose_a, transpose_b, m, n, k, 0.5f, a.data(), ld_a, b.data(), ld_b, again.data(), ld_c, accumulate, 1);
          ASSERT_EQ(c, again);
          for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < ld_c; ++j) {
              double want = before[static_cast<size_t>(i * ld_c + j)];
              if (j < n) {
                double sum = 0;
                for (int64_t l = 0; l < k; ++l) {
                  sum += double{a[static_cast<size_t>(transpose_a ? l * ld_a + i : i * ld_a + l)]} *
                         b[static_cast<size_t>(transpose_b ? j * ld_b + l : l * ld_b + j)];
                }
                want = 0.5 * sum + (accumulate ? want : 0);
              }
              ASSERT_NEAR(c[static_cast<size_t>(i * ld_c + j)], want, 1e-5 * std::max(1.0, std::abs(want)) * std::sqrt(k + 1.0))
                  << m << " x " << n << " x " << k << " at " << i << ", " << j;
            }
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GemmTest, testing::ValuesIn(SupportedIsas()),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace gfn
