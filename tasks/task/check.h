// One invariant of a sampler, measured.
#pragma once

#include <string>

namespace gfn {

struct Check {
  std::string name;
  double found = 0;                             // the largest deviation seen
  double allowed = 0;                           // by dtype (gflownet/tensor/tolerances.h, docs/design.md)
  bool ok() const { return found <= allowed; }  // false for NaN
};

}  // namespace gfn
