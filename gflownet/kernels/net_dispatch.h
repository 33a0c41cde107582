// Which instruction set the network kernels run with, chosen once from what the processor offers.
#pragma once

#include <vector>

#include "gflownet/kernels/net_table.h"

namespace gfn {

// The best that the machine can run, unless a ScopedNetKernels is alive.
const NetTable& NetKernels();
// All that it can run, the portable ones first.
std::vector<const NetTable*> AllNetKernels();

// Runs with other kernels: for tests, which must not overlap in time.
class ScopedNetKernels {
 public:
  explicit ScopedNetKernels(const NetTable& table);
  ~ScopedNetKernels();
  ScopedNetKernels(const ScopedNetKernels&) = delete;
  ScopedNetKernels& operator=(const ScopedNetKernels&) = delete;

 private:
  const NetTable* previous_;
};

}  // namespace gfn
