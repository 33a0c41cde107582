// The memory that a run is estimated to take, as text and against what there is.
#pragma once

#include <string>

#include "gflownet/base/status.h"
#include "tasks/task/task.h"

namespace gfn {

double TotalBytes(const MemoryParts& parts);
// "1.2 GiB (weights 512 MiB, ...)"
std::string MemoryText(const MemoryParts& parts);

// ResourceExhausted, with `keys` to lower (TaskPlan::MemoryKeys), if the estimate is above what the machine and the cgroup leave
// or above the limit of the configuration (GiB; 0: none). Then the limit is set on this process.
Status CheckMemory(const MemoryParts& parts, const std::string& keys, double limit_gib);

}  // namespace gfn
