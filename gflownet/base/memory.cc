#include "gflownet/base/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <vector>

#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

// "VmRSS:     1234 kB" -> {"VmRSS", 1234 * 1024}; "file 1234" -> {"file", 1234}. Files in /proc have no size, so they are read
// as streams.
std::map<std::string, int64_t> ReadNumbers(const std::string& path) {
  std::map<std::string, int64_t> numbers;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name, unit;
    int64_t value = 0;
    if (!(words >> name >> value)) continue;
    words >> unit;
    if (name.ends_with(':')) name.pop_back();
    numbers[name] = unit == "kB" ? value * 1024 : value;
  }
  return numbers;
}

std::optional<int64_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return ParseInt(word);  // "max" is no number
}

struct CgroupFiles {
  std::string folder, limit, used, stat_key;
};

// The memory group of this process and those around it, innermost first.
std::vector<CgroupFiles> CgroupsOf(const std::string& root) {
  std::vector<CgroupFiles> groups;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "hierarchy:controllers:/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool version2 = controllers == ",,";
    if (!version2 && controllers.find(",memory,") == std::string::npos) continue;
    const std::string base = root + (version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
    std::string path = line.substr(second + 1);
    for (;;) {
      while (path.ends_with('/')) path.pop_back();
      // In a container the path may be one of the host, of which only the root is visible here.
      groups.push_back(version2
                           ? CgroupFiles{base + path, "memory.max", "memory.current", "inactive_file"}
                           : CgroupFiles{base + path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"});
      if (path.empty()) break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return groups;
}

int64_t StatusBytes(const char* name) {
  const auto numbers = ReadNumbers("/proc/self/status");
  const auto it = numbers.find(name);
  return it == numbers.end() ? 0 : it->second;
}

}  // namespace

int64_t CurrentRssBytes() { return StatusBytes("VmRSS"); }
int64_t PeakRssBytes() { return StatusBytes("VmHWM"); }

bool ResetPeakRss() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;  // proc(5): resets the peak resident size
  return file.good();
}

Status LimitMemory(int64_t bytes) {
  const int64_t resident = CurrentRssBytes();
  if (bytes <= resident) {
    return ResourceExhausted("a memory limit of " + FormatBytes(bytes) + ", but this process takes " + FormatBytes(resident) +
                             " already");
  }
  struct rlimit limit;
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return Internal(std::string("cannot read RLIMIT_DATA: ") + std::strerror(errno));
  const auto wanted = static_cast<rlim_t>(StatusBytes("VmData") + (bytes - resident));
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_DATA, &limit) != 0) return Internal(std::string("cannot set RLIMIT_DATA: ") + std::strerror(errno));
  return OkStatus();
}

MemoryLimits ReadMemoryLimits(const std::string& root) {
  MemoryLimits limits;
  auto machine = ReadNumbers(root + "/proc/meminfo");
  limits.machine_total = machine["MemTotal"];
  limits.machine_available = machine["MemAvailable"];
  for (const CgroupFiles& group : CgroupsOf(root)) {
    const auto limit = ReadNumber(group.folder + "/" + group.limit);
    // Version 1 writes "no limit" as a number near 2^63.
    if (!limit || *limit <= 0 || *limit >= limits.machine_total) continue;
    const int64_t used = ReadNumber(group.folder + "/" + group.used).value_or(0);
    const int64_t droppable = ReadNumbers(group.folder + "/memory.stat")[group.stat_key];
    const int64_t needed = std::max<int64_t>(0, used - droppable);
    if (limits.cgroup_limit < 0 || *limit - needed < limits.cgroup_limit - limits.cgroup_used) {
      limits.cgroup_limit = *limit;
      limits.cgroup_used = needed;
    }
  }
  return limits;
}

int64_t MemoryLimits::Available() const {
  if (cgroup_limit < 0) return machine_available;
  return std::clamp<int64_t>(cgroup_limit - cgroup_used, 0, machine_available);
}

int64_t MemoryLimits::Total() const { return cgroup_limit < 0 ? machine_total : std::min(machine_total, cgroup_limit); }

}  // namespace gfn
