#include "gflownet/tensor/safetensors_tensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/file_util.h"

namespace gfn {
namespace {

std::string Path(const std::string& name) { return testing::TempDir() + "/" + name; }

TEST(SafetensorsTensorsTest, EveryTypeAndShapeComesBackBitForBit) {
  std::vector<NamedTensor> tensors;
  for (at::ScalarType type :
       {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort, at::kChar, at::kByte, at::kBool}) {
    tensors.push_back({std::string("t.") + at::toString(type), at::arange(0, 6).to(type).reshape({2, 3})});
  }
  tensors.push_back({"scalar", at::scalar_tensor(2.5)});
  tensors.push_back({"empty", at::zeros({0, 4})});
  tensors.push_back({"transposed", at::arange(6.0).reshape({2, 3}).t()});  // strides are made dense
  ASSERT_TRUE(WriteTensors(Path("all.safetensors"), tensors, {{"format", "pt"}}).ok());

  const auto file = SafetensorsFile::Open(Path("all.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("format"), "pt");
  for (const NamedTensor& named : tensors) {
    const auto read = ReadTensor(*file, named.name);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->scalar_type(), named.tensor.scalar_type()) << named.name;
    EXPECT_TRUE(at::equal(*read, named.tensor)) << named.name;
  }
  EXPECT_EQ(ReadTensors(Path("all.safetensors"))->size(), tensors.size());
}

TEST(SafetensorsTensorsTest, ConvertsWhenAsked) {
  ASSERT_TRUE(WriteTensors(Path("half.safetensors"), {{"w", at::full({3}, 1.5, at::kHalf)}}).ok());
  const auto file = SafetensorsFile::Open(Path("half.safetensors"));
  const at::Tensor w = ReadTensor(*file, "w", at::kFloat).value();
  EXPECT_EQ(w.scalar_type(), at::kFloat);
  EXPECT_EQ(w[2].item<float>(), 1.5f);
}

TEST(SafetensorsTensorsTest, AMissingTensorIsNamed) {
  ASSERT_TRUE(WriteTensors(Path("one.safetensors"), {{"weight", at::zeros({1})}}).ok());
  const auto file = SafetensorsFile::Open(Path("one.safetensors"));
  EXPECT_THAT(Message(ReadTensor(*file, "wieght").status()), testing::HasSubstr("wieght"));
}

TEST(SafetensorsTensorsTest, TheBytesDependOnTheContentAlone) {
  const std::vector<NamedTensor> tensors = {{"b", at::ones({2})}, {"a", at::zeros({3}, at::kDouble)}};
  ASSERT_TRUE(WriteTensors(Path("x.safetensors"), tensors).ok());
  ASSERT_TRUE(WriteTensors(Path("y.safetensors"), {tensors[1], tensors[0]}).ok());
  EXPECT_EQ(ReadFile(Path("x.safetensors")).value(), ReadFile(Path("y.safetensors")).value());
}

TEST(SafetensorsTensorsTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_FALSE(WriteTensors(Path("no/such/folder/x.safetensors"), {{"a", at::zeros({1})}}).ok());
}

}  // namespace
}  // namespace gfn
