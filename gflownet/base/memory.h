// Memory of this process and what it may still take.
#pragma once

#include <cstdint>
#include <string>

namespace gfn {

int64_t CurrentRssBytes();
// The largest resident size since the start of the process, or since ResetPeakRss where the system allows it.
int64_t PeakRssBytes();
// Makes the current size the peak; false where the system does not allow it.
bool ResetPeakRss();

struct MemoryLimits {
  int64_t machine_total = 0;
  int64_t machine_available = 0;  // without swapping, by the kernel's estimate
  int64_t cgroup_limit = -1;      // the tightest on the way to the root, version 1 or 2; -1: none
  int64_t cgroup_used = 0;        // of that group, without page cache that can be dropped

  // What this process can still allocate before it is killed or swapped.
  int64_t Available() const;
  // The size that all of this process could ever have.
  int64_t Total() const;
};

// `root` is "" but in tests, which give a folder that looks like /.
MemoryLimits ReadMemoryLimits(const std::string& root = "");

}  // namespace gfn
