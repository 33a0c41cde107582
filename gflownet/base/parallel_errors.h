// An exception that leaves an OpenMP region ends the process at once. So whatever may throw in a region runs in here, and the
// first exception is thrown again behind the region:
//
//   ParallelErrors errors;
//   #pragma omp parallel for
//   for (...) errors.Run([&] { ... });
//   errors.Rethrow();
//
// tests/layering_test holds every parallel region of the tree to this. (at::parallel_for does the same by itself.)
#pragma once

#include <atomic>
#include <exception>
#include <utility>

namespace gfn {

class ParallelErrors {
 public:
  // Safe to call from several threads. After a failure the other calls do nothing, so that the region ends soon and every thread
  // still reaches its barriers.
  template <class F>
  void Run(F&& f) noexcept {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
      std::forward<F>(f)();
    } catch (...) {
      if (!failed_.exchange(true)) first_ = std::current_exception();
    }
  }
  // Behind the region, on one thread: throws what was caught first, if anything was.
  void Rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::atomic<bool> failed_ = false;
  std::exception_ptr first_;
};

}  // namespace gfn
