// Memory of this process and what it may still take.
#pragma once

#include <cstdint>
#include <new>
#include <string>

#include "gflownet/base/status.h"

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

// Nothing that this process allocates from now on may take it beyond `bytes`: the allocation fails instead. Counts what is
// resident now and every private page asked for later, touched or not (RLIMIT_DATA). ResourceExhausted if it is beyond already.
Status LimitMemory(int64_t bytes);

// An allocation that failed and says how large it was to be.
class AllocationFailure : public std::bad_alloc {
 public:
  explicit AllocationFailure(size_t bytes) : message_("can't allocate memory: " + std::to_string(bytes) + " bytes") {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

// `root` is "" but in tests, which give a folder that looks like /.
MemoryLimits ReadMemoryLimits(const std::string& root = "");

}  // namespace gfn
