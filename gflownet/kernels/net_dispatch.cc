#include "gflownet/kernels/net_dispatch.h"

#include <atomic>

namespace gfn {
namespace {

std::atomic<const NetTable*>& Active() {
  static std::atomic<const NetTable*> active{AllNetKernels().back()};
  return active;
}

}  // namespace

std::vector<const NetTable*> AllNetKernels() {
  std::vector<const NetTable*> tables = {&isa_baseline::kNetTable};
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2) tables.push_back(&isa_avx2::kNetTable);
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    tables.push_back(&isa_avx512::kNetTable);
  }
#endif
  return tables;
}

const NetTable& NetKernels() { return *Active().load(std::memory_order_relaxed); }

ScopedNetKernels::ScopedNetKernels(const NetTable& table) : previous_(&NetKernels()) { Active().store(&table); }

ScopedNetKernels::~ScopedNetKernels() { Active().store(previous_); }

}  // namespace gfn
