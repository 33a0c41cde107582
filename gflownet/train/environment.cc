#include "gflownet/train/environment.h"

#include <ATen/ATen.h>
#include <dlfcn.h>

#include <ctime>
#include <set>

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/tensor/device.h"

namespace gfn {
namespace {

std::string BinaryDigest() {
  // The library or executable that this function is in; the name of an executable may be relative to a folder that was
  // left since, so there is a second try.
  Dl_info info;
  std::string path = "/proc/self/exe";
  if (dladdr(reinterpret_cast<const void*>(&DescribeEnvironment), &info) != 0 && info.dli_fname != nullptr &&
      FileExists(info.dli_fname)) {
    path = info.dli_fname;
  }
  const StatusOr<uint64_t> digest = FileDigest(path);
  return digest.ok() ? DigestToHex(*digest) : "unknown";
}

}  // namespace

std::map<std::string, std::string> DescribeEnvironment(at::Device device) {
  return {{"binary", BinaryDigest()},
          {"libtorch", LibTorchVersion()},
          {"cpu", CpuModel()},
          {"device", device.is_cpu() ? "cpu" : DescribeDevice(device)},
          {"threads", std::to_string(NumThreads())}};
}

std::vector<std::string> EnvironmentDifferences(const std::map<std::string, std::string>& before,
                                                const std::map<std::string, std::string>& after) {
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : after) names.insert(name);
  const auto value_of = [](const std::map<std::string, std::string>& map, const std::string& name) {
    const auto found = map.find(name);
    return found == map.end() ? std::string("(not recorded)") : found->second;
  };
  std::vector<std::string> differences;
  for (const std::string& name : names) {
    const std::string old_value = value_of(before, name), new_value = value_of(after, name);
    if (old_value != new_value) differences.push_back(name + ": " + old_value + " -> " + new_value);
  }
  return differences;
}

std::string UtcNow() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace gfn
