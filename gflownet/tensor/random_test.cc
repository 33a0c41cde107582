#include "gflownet/tensor/random.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace gfn {
namespace {

const RngKey kTestKey{7, RngPurpose::kTest, 3};

TEST(RandomTest, ElementsAreAddressedDraws) {
  const at::Tensor x = UniformTensor(kTestKey, {2, 3}, at::kDouble, /*stream=*/9);
  const at::Tensor y = NormalTensor(kTestKey, {2, 3}, at::kDouble);
  for (uint64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(x.flatten()[i].item<double>(), Uniform(kTestKey, 9, i));
    EXPECT_EQ(y.flatten()[i].item<double>(), Normal(kTestKey, 0, i));
  }
}

TEST(RandomTest, APrefixOfALongerTensorIsTheShorterOne) {
  EXPECT_TRUE(at::equal(NormalTensor(kTestKey, {100}), NormalTensor(kTestKey, {20000}).slice(0, 0, 100)));
}

TEST(RandomTest, ThreadsChangeNothing) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = UniformTensor(kTestKey, {50000});
  at::set_num_threads(3);
  const at::Tensor three = UniformTensor(kTestKey, {50000});
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, three));
}

TEST(RandomTest, MomentsAreThoseOfTheDistributions) {
  const at::Tensor u = UniformTensor(kTestKey, {200000});
  EXPECT_NEAR(u.mean().item<double>(), 0.5, 0.003);
  EXPECT_NEAR(u.var().item<double>(), 1.0 / 12, 0.001);
  EXPECT_LT(u.max().item<float>(), 1.0f);
  const at::Tensor n = NormalTensor(kTestKey, {200000}, at::kDouble);
  EXPECT_NEAR(n.mean().item<double>(), 0, 0.01);
  EXPECT_NEAR(n.var().item<double>(), 1, 0.02);
  EXPECT_NEAR(n.pow(4).mean().item<double>(), 3, 0.1);
}

TEST(RandomTest, KaimingBoundsComeFromTheLastDimension) {
  const at::Tensor w = KaimingUniformTensor(kTestKey, {200, 48}, std::sqrt(2.0));
  const double bound = std::sqrt(2.0) * std::sqrt(3.0 / 48);
  EXPECT_LE(w.abs().max().item<double>(), bound);
  EXPECT_GT(w.abs().max().item<double>(), 0.99 * bound);
  EXPECT_NEAR(w.pow(2).mean().item<double>(), bound * bound / 3, 0.002);
}

TEST(RandomTest, HalfPrecisionIsRoundedFromFloat) {
  const at::Tensor x = UniformTensor(kTestKey, {10}, at::kBFloat16);
  EXPECT_TRUE(at::equal(x, UniformTensor(kTestKey, {10}).to(at::kBFloat16)));
}

}  // namespace
}  // namespace gfn
