// Where tensors live and how many threads work on them.
//
// A CPU run must not load libtorch_cuda.so (1.5 s and 450 MB), so the binary
// links the CPU library only and OpenDevice("cuda") loads the CUDA one.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

#include "gflownet/base/status.h"

namespace gfn {

// "cpu", "cuda" or "cuda:<index>"; only the spelling is checked.
StatusOr<at::Device> ParseDevice(std::string_view text);

// Parses and makes usable: for cuda, loads libtorch_cuda.so from beside
// libtorch_cpu.so and checks that the device exists. Call it before the first
// use of a CUDA tensor, and early: ATen asks once whether CUDA is there.
StatusOr<at::Device> OpenDevice(std::string_view text);

// Threads of one operation, for the whole process; 0 keeps LibTorch's choice
// (the number of cores). Returns the number in effect.
int SetNumThreads(int num_threads);
int NumThreads();

// "AMD EPYC 7B13 (family 25 model 1)", as the kernel names it; "unknown CPU" if it does not.
std::string CpuModel();
// "cpu (AMD EPYC 7B13 (family 25 model 1), 2 threads)", "cuda:0 (NVIDIA H200)".
std::string DescribeDevice(at::Device device);
// "2.11.0".
std::string LibTorchVersion();

// "float32", "float64", "bfloat16", "float16": how messages name dtypes.
std::string DtypeName(at::ScalarType dtype);

}  // namespace gfn
