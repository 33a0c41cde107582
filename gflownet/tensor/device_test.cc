#include "gflownet/tensor/device.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace gfn {
namespace {

bool CudaLibraryIsLoaded() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("libtorch_cuda.so") != line.npos) return true;
  }
  return false;
}

TEST(DeviceTest, ParsesNamesStrictly) {
  EXPECT_TRUE(ParseDevice("cpu")->is_cpu());
  EXPECT_EQ(ParseDevice("cuda").value(), at::Device(at::kCUDA, 0));
  EXPECT_EQ(ParseDevice("cuda:3").value(), at::Device(at::kCUDA, 3));
  for (const char* bad : {"", "CPU", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1000", "cuda:1 "}) {
    EXPECT_THAT(Message(ParseDevice(bad).status()), testing::HasSubstr("expected cpu, cuda or cuda:<index>")) << bad;
  }
}

TEST(DeviceTest, ACpuRunLoadsNoCudaLibrary) {
  ASSERT_TRUE(OpenDevice("cpu").ok());
  EXPECT_EQ(at::ones({2}).sum().item<float>(), 2);
  EXPECT_FALSE(CudaLibraryIsLoaded());
}

TEST(DeviceTest, CudaIsUsableOrSaysWhyNot) {
  const auto device = OpenDevice("cuda:0");
  if (device.ok()) {
    EXPECT_EQ(at::ones({2}, *device).sum().item<float>(), 2);
  } else {
    EXPECT_THAT(Message(device.status()), testing::StartsWith("device cuda"));
  }
}

TEST(DeviceTest, ThreadsAndDescriptions) {
  const int threads = NumThreads();
  EXPECT_EQ(SetNumThreads(1), 1);
  EXPECT_THAT(DescribeDevice(at::kCPU), testing::HasSubstr(CpuModel() + ", 1 threads"));
  SetNumThreads(threads);
  EXPECT_EQ(SetNumThreads(0), threads);
  EXPECT_THAT(LibTorchVersion(), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+.*"));
}

TEST(DeviceTest, DtypeNames) {
  EXPECT_EQ(DtypeName(at::kFloat), "float32");
  EXPECT_EQ(DtypeName(at::kDouble), "float64");
  EXPECT_EQ(DtypeName(at::kBFloat16), "bfloat16");
  EXPECT_EQ(DtypeName(at::kHalf), "float16");
  EXPECT_EQ(DtypeName(at::kLong), "Long");
}

}  // namespace
}  // namespace gfn
