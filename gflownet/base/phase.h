// What the program is doing, by name: RAII scopes that time themselves and name the place in error messages.
//
//   PhaseTimes times;
//   SetPhaseTimes(&times);
//   { Phase phase("reward"); ... { Phase inner("forward"); AddPhaseWork("positions", 4096); } }
//   times.Find("reward/forward")->work.at("positions")
//
// Everything is per thread. Without SetPhaseTimes only the names are kept; a Phase then costs some tens of nanoseconds.
#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gfn {

struct PhaseEntry {
  std::string path;    // names from the outermost phase in, joined by '/'
  double seconds = 0;  // wall clock, inner phases included
  int64_t num_calls = 0;
  std::map<std::string, double> work;  // unit ("positions", "flops") -> amount, inner phases not included
};

class PhaseTimes {
 public:
  // In the order in which phases were first entered.
  const std::vector<PhaseEntry>& entries() const { return entries_; }
  const PhaseEntry* Find(std::string_view path) const;
  PhaseEntry& At(std::string_view path);  // made if absent
  void Clear() {
    entries_.clear();
    index_.clear();
  }
  // Adds another's seconds, calls and work.
  void Merge(const PhaseTimes& other);

 private:
  std::vector<PhaseEntry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

// Where this thread's phases are recorded from now on (nullptr: nowhere). Returns the previous one. Borrowed: it must outlive
// its use. Phases that are open at the time are recorded, when they end, in what was set when they began.
PhaseTimes* SetPhaseTimes(PhaseTimes* times);

class Phase {
 public:
  // `name` must outlive the phase (a literal).
  explicit Phase(std::string_view name);
  ~Phase();
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;

 private:
  friend void AddPhaseWork(std::string_view unit, double amount);
  friend std::string CurrentPhase();

  std::string_view name_;
  Phase* outer_;
  PhaseTimes* times_;
  int64_t start_ns_ = 0;
  int num_exceptions_;
};

// Adds to the innermost phase of this thread; does nothing outside of any or when none are recorded.
void AddPhaseWork(std::string_view unit, double amount);

// Path of the innermost phase, "" outside of any.
std::string CurrentPhase();

// Path of the innermost phase that the last exception left on its way up, "" if none; forgets it. For a handler, which runs
// after the phases are gone.
std::string TakeFailedPhase();

}  // namespace gfn
