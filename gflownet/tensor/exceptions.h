// LibTorch's exceptions and bad_alloc become Status in three kinds of place: where a file is loaded, around a
// training step, and at the engine's entry. They all go through here.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "gflownet/base/status.h"

namespace gfn {

// The exception being handled, as "<what>: <message> (in <innermost phase>)": ResourceExhausted if memory ran out,
// Internal otherwise. Call it in a catch block only.
Status StatusOfCurrentException(std::string_view what);

// f() of Status or StatusOr<T>, with whatever it throws as a Status.
template <class F>
auto CatchExceptions(std::string_view what, F&& f) -> decltype(f()) {
  try {
    return std::forward<F>(f)();
  } catch (...) {
    return StatusOfCurrentException(what);
  }
}

}  // namespace gfn
