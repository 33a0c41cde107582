#include "app/memory_check.h"

#include "gflownet/base/memory.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

// A sum that fits no integer is shown as the largest one that does.
std::string BytesText(double bytes) { return FormatBytes(bytes < 9e18 ? static_cast<int64_t>(bytes) : INT64_MAX); }

}  // namespace

double TotalBytes(const MemoryParts& parts) {
  double total = 0;
  for (const auto& [name, bytes] : parts) total += bytes;
  return total;
}

std::string MemoryText(const MemoryParts& parts) {
  std::vector<std::string> texts;
  for (const auto& [name, bytes] : parts) texts.push_back(name + " " + BytesText(bytes));
  return BytesText(TotalBytes(parts)) + (texts.empty() ? "" : " (" + Join(texts, ", ") + ")");
}

Status CheckMemory(const MemoryParts& parts, const std::string& keys, double limit_gib) {
  const MemoryLimits machine = ReadMemoryLimits();
  const double available = static_cast<double>(machine.Available());
  const double limit = limit_gib * kGiB;
  const double room = limit_gib > 0 ? std::min(available, limit - static_cast<double>(CurrentRssBytes())) : available;
  if (TotalBytes(parts) > room) {
    const std::string allowed =
        limit_gib > 0 && room < available
            ? "train.memory_limit leaves " + BytesText(std::max(0.0, room))
            : BytesText(available) + " is available" + (machine.cgroup_limit >= 0 ? " in this cgroup" : " on this machine");
    return ResourceExhausted("this run needs about " + MemoryText(parts) + ", but " + allowed + "; lower " + keys);
  }
  return limit_gib > 0 ? LimitMemory(static_cast<int64_t>(limit)) : OkStatus();
}

}  // namespace gfn
