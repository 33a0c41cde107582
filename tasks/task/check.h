// One invariant of a sampler, measured.
#pragma once

#include <string>

namespace gfn {

struct Check {
  std::string name;
  double found = 0;         // the largest deviation seen
  double allowed = 0;       // by dtype (gflownet/tensor/tolerances.h, docs/design.md)
  bool at_least = false;    // `found` is to be large, not small: an effect that has to be there
  std::string detail = {};  // where it is, for people; may be empty
  // false for NaN
  bool ok() const { return at_least ? found >= allowed : found <= allowed; }
};

}  // namespace gfn
