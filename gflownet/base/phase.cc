#include "gflownet/base/phase.h"

#include <chrono>

namespace gfn {
namespace {

thread_local Phase* t_innermost = nullptr;
thread_local PhaseTimes* t_times = nullptr;
thread_local std::string t_failed;

int64_t NowNanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

const PhaseEntry* PhaseTimes::Find(std::string_view path) const {
  const auto it = index_.find(path);
  return it == index_.end() ? nullptr : &entries_[it->second];
}

PhaseEntry& PhaseTimes::At(std::string_view path) {
  auto it = index_.find(path);
  if (it == index_.end()) {
    it = index_.emplace(path, entries_.size()).first;
    entries_.push_back({.path = std::string(path), .work = {}});
  }
  return entries_[it->second];
}

void PhaseTimes::Merge(const PhaseTimes& other) {
  for (const PhaseEntry& theirs : other.entries_) {
    PhaseEntry& ours = At(theirs.path);
    ours.seconds += theirs.seconds;
    ours.num_calls += theirs.num_calls;
    for (const auto& [unit, amount] : theirs.work) ours.work[unit] += amount;
  }
}

PhaseTimes* SetPhaseTimes(PhaseTimes* times) {
  PhaseTimes* previous = t_times;
  t_times = times;
  return previous;
}

Phase::Phase(std::string_view name)
    : name_(name), outer_(t_innermost), times_(t_times), num_exceptions_(std::uncaught_exceptions()) {
  t_innermost = this;
  if (num_exceptions_ == 0) t_failed.clear();  // the exception that left it has been dealt with
  if (times_ != nullptr) {
    times_->At(CurrentPhase());  // so that entries are in the order of entering
    start_ns_ = NowNanoseconds();
  }
}

Phase::~Phase() {
  if (times_ != nullptr) {
    PhaseEntry& entry = times_->At(CurrentPhase());
    entry.seconds += 1e-9 * static_cast<double>(NowNanoseconds() - start_ns_);
    entry.num_calls += 1;
  }
  // The exception passes the innermost phase first and then, with a shorter path, those around it.
  if (std::uncaught_exceptions() > num_exceptions_) {
    const std::string path = CurrentPhase();
    if (!t_failed.starts_with(path + "/")) t_failed = path;
  }
  t_innermost = outer_;
}

void AddPhaseWork(std::string_view unit, double amount) {
  if (t_innermost == nullptr || t_innermost->times_ == nullptr) return;
  t_innermost->times_->At(CurrentPhase()).work[std::string(unit)] += amount;
}

std::string CurrentPhase() {
  std::string path;
  for (const Phase* phase = t_innermost; phase != nullptr; phase = phase->outer_) {
    path = path.empty() ? std::string(phase->name_) : std::string(phase->name_) + "/" + path;
  }
  return path;
}

std::string TakeFailedPhase() {
  std::string failed;
  failed.swap(t_failed);
  return failed;
}

}  // namespace gfn
