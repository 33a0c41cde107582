#include "llm/kernels/dispatch.h"

#include <algorithm>
#include <atomic>

#include "gflownet/base/check.h"
#include "llm/kernels/kernel_table.h"

namespace gfn {
namespace {

const KernelTable& TableOf(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2:
      return isa_avx2::kTable;
    case Isa::kAvx512:
      return isa_avx512::kTable;
    case Isa::kAvx512BFloat16:
      return isa_avx512_bf16::kTable;
#endif
    default:
      return isa_baseline::kTable;
  }
}

std::atomic<Isa>& Active() {
  static std::atomic<Isa> active{SupportedIsas().back()};
  return active;
}

}  // namespace

std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas = {Isa::kBaseline};
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2) isas.push_back(Isa::kAvx2);
  if (avx512) isas.push_back(Isa::kAvx512);
  if (avx512 && __builtin_cpu_supports("avx512bf16")) isas.push_back(Isa::kAvx512BFloat16);
#endif
  return isas;
}

const char* IsaName(Isa isa) { return TableOf(isa).name; }

Isa ActiveIsa() { return Active().load(std::memory_order_relaxed); }

const KernelTable& Kernels() { return TableOf(ActiveIsa()); }

ScopedIsa::ScopedIsa(Isa isa) : previous_(ActiveIsa()) {
  const std::vector<Isa> supported = SupportedIsas();
  GFN_CHECK(std::find(supported.begin(), supported.end(), isa) != supported.end())
      << "this processor cannot run " << IsaName(isa);
  Active().store(isa);
}

ScopedIsa::~ScopedIsa() { Active().store(previous_); }

}  // namespace gfn
