// Which instruction set the kernels run with, chosen once from what the processor offers.
#pragma once

#include <vector>

namespace gfn {

struct KernelTable;

enum class Isa { kBaseline, kAvx2, kAvx512, kAvx512BFloat16 };

// What this machine can run, slowest first; never empty.
std::vector<Isa> SupportedIsas();
const char* IsaName(Isa isa);

// The best supported, unless a ScopedIsa is alive.
Isa ActiveIsa();
const KernelTable& Kernels();

// Runs the kernels with another instruction set: for tests and benchmarks, which must not overlap in time.
class ScopedIsa {
 public:
  explicit ScopedIsa(Isa isa);
  ~ScopedIsa();
  ScopedIsa(const ScopedIsa&) = delete;
  ScopedIsa& operator=(const ScopedIsa&) = delete;

 private:
  Isa previous_;
};

}  // namespace gfn
