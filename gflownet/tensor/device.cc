#include "gflownet/tensor/device.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <fstream>
#include <map>

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

// The folder that libtorch_cpu.so was loaded from.
std::string LibTorchFolder() {
  Dl_info info;
  const bool found = dladdr(reinterpret_cast<const void*>(&at::get_num_threads), &info) != 0 && info.dli_fname != nullptr;
  return found ? ParentFolder(info.dli_fname) : ".";
}

Status LoadCuda() {
  const std::string path = JoinPath(LibTorchFolder(), "libtorch_cuda.so");
  // Global, because the libraries that it loads later look for its symbols; never closed, because ATen keeps pointers.
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return OkStatus();
  const char* reason = dlerror();
  return FailedPrecondition(
      "device cuda: cannot load LibTorch's CUDA library: " + std::string(reason == nullptr ? path : reason) +
      "; use device cpu, or a LibTorch with its CUDA libraries");
}

// The driver's name of a device, asked of the driver itself so that no CUDA runtime has to be linked; "" if it is silent.
std::string CudaDeviceName(int index) {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (driver == nullptr) return "";
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto get = reinterpret_cast<int (*)(int*, int)>(dlsym(driver, "cuDeviceGet"));
  const auto get_name = reinterpret_cast<int (*)(char*, int, int)>(dlsym(driver, "cuDeviceGetName"));
  int device = 0;
  char name[256] = {};
  const bool ok = init != nullptr && get != nullptr && get_name != nullptr && init(0) == 0 && get(&device, index) == 0 &&
                  get_name(name, sizeof name - 1, device) == 0;
  return ok ? name : "";
}

}  // namespace

StatusOr<at::Device> ParseDevice(std::string_view text) {
  if (text == "cpu") return at::Device(at::kCPU);
  if (text == "cuda") return at::Device(at::kCUDA, 0);
  if (text.starts_with("cuda:")) {
    const std::optional<int64_t> index = ParseInt(text.substr(5));
    if (index.has_value() && *index >= 0 && *index < 128) {
      return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(*index));
    }
  }
  return InvalidArgument("unknown device '" + std::string(text) + "', expected cpu, cuda or cuda:<index>");
}

StatusOr<at::Device> OpenDevice(std::string_view text) {
  ASSIGN_OR_RETURN(const at::Device device, ParseDevice(text));
  if (device.is_cpu()) return device;
  RETURN_IF_ERROR(LoadCuda());
  const int count = at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
  if (device.index() >= count) {
    return FailedPrecondition("device " + std::string(text) + ": this machine has " + std::to_string(count) +
                              " usable CUDA devices");
  }
  return device;
}

int SetNumThreads(int num_threads) {
  GFN_CHECK_GE(num_threads, 0);
  if (num_threads > 0) at::set_num_threads(num_threads);
  return NumThreads();
}

int NumThreads() { return at::get_num_threads(); }

std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  std::map<std::string, std::string, std::less<>> fields;
  for (std::string line; std::getline(file, line) && !line.empty();) {  // an empty line ends the first processor
    const size_t tab = line.find('\t'), colon = line.find(": ");
    if (tab != line.npos && colon != line.npos) fields[line.substr(0, tab)] = line.substr(colon + 2);
  }
  if (!fields.contains("model name")) return "unknown CPU";
  // Virtual machines name generations with different instruction sets alike; the numbers tell them apart.
  std::string name = fields["model name"];
  if (fields.contains("cpu family")) name += " (family " + fields["cpu family"] + " model " + fields["model"] + ")";
  return name;
}

std::string DescribeDevice(at::Device device) {
  if (device.is_cpu()) return "cpu (" + CpuModel() + ", " + std::to_string(NumThreads()) + " threads)";
  const std::string name = CudaDeviceName(device.index());
  return device.str() + (name.empty() ? "" : " (" + name + ")");
}

std::string LibTorchVersion() { return TORCH_VERSION; }

std::string DtypeName(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kBFloat16:
      return "bfloat16";
    case at::kHalf:
      return "float16";
    default:
      return at::toString(dtype);
  }
}

}  // namespace gfn
