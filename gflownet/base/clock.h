// Durations, by a clock that only goes forward, whatever the date is set to; and the date, for people.
#pragma once

#include <chrono>

namespace gfn {

// Seconds since a moment that is the same for the whole process.
inline double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds since 1970.
inline double WallSeconds() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace gfn
