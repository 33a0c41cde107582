#include "gflownet/tensor/parameter_set.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "gflownet/base/file_util.h"
#include "gflownet/tensor/random.h"
#include "gflownet/tensor/safetensors_tensors.h"

namespace gfn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ParameterSet MakeSet(uint64_t seed) {
  ParameterSet set;
  set.Add("lora.a", "adapter", NormalTensor({seed, RngPurpose::kTest, 0}, {3, 5}));
  set.Add("lora.b", "adapter", NormalTensor({seed, RngPurpose::kTest, 1}, {2, 3}, at::kBFloat16));
  set.Add("log_z", "log_z", NormalTensor({seed, RngPurpose::kTest, 2}, {}, at::kDouble));
  return set;
}

TEST(ParameterSetTest, KeepsOrderNamesAndGroups) {
  ParameterSet set = MakeSet(1);
  EXPECT_EQ(set.size(), 3u);
  EXPECT_EQ(set[1].name, "lora.b");
  EXPECT_THAT(set.Groups(), ElementsAre("adapter", "log_z"));
  EXPECT_EQ(set.num_elements(), 15 + 6 + 1);
  EXPECT_EQ(set.num_elements("adapter"), 21);
  EXPECT_EQ(set.Find("lora"), nullptr);
  EXPECT_TRUE(set.Get("log_z").requires_grad());
  EXPECT_TRUE(set.Get("log_z").is_leaf());
}

TEST(ParameterSetTest, AddKeepsTheStorageAndReferencesStayValid) {
  ParameterSet set;
  const at::Tensor storage = at::zeros({4});
  const at::Tensor& first = set.Add("p0", "g", storage);
  for (size_t i = 1; i < 100; ++i) set.Add(std::string(i, 'p'), "g", at::zeros({1}));
  storage.fill_(7);
  EXPECT_EQ(first.sum().item<float>(), 28);
}

TEST(ParameterSetDeathTest, NamesAreCheckedWithWhatThereIs) {
  ParameterSet set = MakeSet(1);
  EXPECT_DEATH(set.Add("log_z", "log_z", at::zeros({1})), "is there already");
  EXPECT_DEATH(set.Add("ids", "g", at::zeros({1}, at::kLong)), "floating-point");
  EXPECT_DEATH(set.Get("lora.c"), "there are: lora.a, lora.b, log_z");
}

TEST(ParameterSetTest, GradNormCountsEveryGradientThatIsThere) {
  ParameterSet set = MakeSet(1);
  EXPECT_EQ(set.GradNorm().value(), 0);
  (set.Get("lora.a").sum() * 2 + set.Get("log_z") * 3).backward();
  EXPECT_DOUBLE_EQ(set.GradNorm().value(), std::sqrt(15 * 4.0 + 9.0));
  set.ZeroGrad();
  EXPECT_FALSE(set.Get("lora.a").grad().defined());
  EXPECT_EQ(set.GradNorm().value(), 0);
}

TEST(ParameterSetTest, GradNormIsTheSameForEveryNumberOfThreads) {
  ParameterSet set;
  set.Add("w", "g", at::zeros({100003}));
  set.Get("w").mutable_grad() = NormalTensor({5, RngPurpose::kTest, 0}, {100003});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const double one = set.GradNorm().value();
  at::set_num_threads(3);
  const double three = set.GradNorm().value();
  at::set_num_threads(threads);
  EXPECT_EQ(one, three);
  EXPECT_NEAR(one, set.Get("w").grad().to(at::kDouble).norm().item<double>(), 1e-9);
}

TEST(ParameterSetTest, ANonFiniteGradientIsNamed) {
  ParameterSet set = MakeSet(1);
  set.Get("lora.a").mutable_grad() = at::zeros({3, 5});
  set.Get("lora.a").grad()[1][2] = std::numeric_limits<float>::quiet_NaN();
  const auto norm = set.GradNorm();
  ASSERT_FALSE(norm.ok());
  EXPECT_THAT(Message(norm.status()), HasSubstr("'lora.a' (group 'adapter', shape [3, 5]) is not finite: element 7 is nan"));
}

TEST(ParameterSetTest, SaveAndLoadGiveTheSameBitsAndRaiseTheVersion) {
  const std::string path = testing::TempDir() + "/parameter_set.safetensors";
  const ParameterSet saved = MakeSet(1);
  ASSERT_TRUE(saved.Save(path).ok());
  ParameterSet loaded = MakeSet(2);
  const at::Tensor view = loaded.Get("lora.a");  // a view taken before stays one
  const uint64_t version = loaded.version();
  ASSERT_TRUE(loaded.Load(path).ok());
  EXPECT_GT(loaded.version(), version);
  for (size_t i = 0; i < saved.size(); ++i) {
    EXPECT_TRUE(at::equal(saved[i].value, loaded[i].value)) << saved[i].name;
    EXPECT_EQ(saved[i].value.scalar_type(), loaded[i].value.scalar_type());
    EXPECT_TRUE(loaded[i].value.requires_grad() && loaded[i].value.is_leaf());
  }
  EXPECT_TRUE(at::equal(view, saved[0].value));
}

TEST(ParameterSetTest, LoadNamesEveryDifferenceAndChangesNothing) {
  const std::string path = testing::TempDir() + "/parameter_set_other.safetensors";
  ASSERT_TRUE(WriteTensors(path, {{"lora.a", at::zeros({5, 3})}, {"lora.b", at::zeros({2, 3})}, {"extra", at::zeros({1})}}).ok());
  ParameterSet set = MakeSet(2);
  const at::Tensor before = set.Get("lora.a").detach().clone();
  const std::string message = Message(set.Load(path));
  EXPECT_THAT(message, HasSubstr("'lora.a' has shape [5, 3], expected [3, 5]"));
  EXPECT_THAT(message, HasSubstr("'lora.b' is float32, expected bfloat16"));
  EXPECT_THAT(message, HasSubstr("no tensor 'log_z'"));
  EXPECT_THAT(message, HasSubstr("unknown tensor 'extra'"));
  EXPECT_TRUE(at::equal(before, set.Get("lora.a")));
  EXPECT_EQ(set.version(), 1u);
}

ParameterSet TaggedSet(const Parametrisation& parametrisation, Width width) {
  ParameterSet set(parametrisation);
  set.Add("w", "net", at::ones({6, 6}), set.TagOf(MatrixShape(width, width, {4, 2})));
  return set;
}

TEST(ParameterSetTest, TheParametrisationIsSavedAndAnotherIsRefused) {
  const std::string path = testing::TempDir() + "/parameter_set_mup.safetensors";
  const Parametrisation mup = {ParametrisationTable::kMupTable9, 1.0};
  ASSERT_TRUE(TaggedSet(mup, {6, 2}).Save(path).ok());
  ParameterSet same = TaggedSet(mup, {6, 2});
  EXPECT_TRUE(same.Load(path).ok());
  ParameterSet other_base = TaggedSet(mup, {6, 3});
  EXPECT_THAT(Message(other_base.Load(path)),
              HasSubstr("parametrisation.w is 'hidden, fan_in 6 (base 2), fan_out 6 (base 2), depth 4 (base 2); init_variance"));
  ParameterSet other_table = TaggedSet({ParametrisationTable::kMupTable3, 1.0}, {6, 2});
  EXPECT_THAT(Message(other_table.Load(path)),
              HasSubstr("parametrisation is 'mup_table9, depth_alpha 1', expected 'mup_table3, depth_alpha 1'"));
  ParameterSet standard = TaggedSet({}, {6, 2});
  EXPECT_THAT(Message(standard.Load(path)), HasSubstr("expected the standard one"));
  ASSERT_TRUE(standard.Save(path).ok());
  EXPECT_THAT(Message(same.Load(path)), HasSubstr("no parametrisation, expected 'mup_table9, depth_alpha 1'"));
}

TEST(ParameterSetTest, LoadRefusesValuesThatAreNotFinite) {
  const std::string path = testing::TempDir() + "/parameter_set_nan.safetensors";
  ParameterSet set = MakeSet(1);
  set.Get("lora.a").detach()[0][1] = std::numeric_limits<float>::infinity();
  ASSERT_TRUE(set.Save(path).ok());
  ParameterSet other = MakeSet(2);
  EXPECT_THAT(Message(other.Load(path)), HasSubstr("'lora.a' is not finite: element 1 is inf"));
}

}  // namespace
}  // namespace gfn
