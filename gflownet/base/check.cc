#include "gflownet/base/check.h"

#include <atomic>
#include <cstdlib>
#include <iostream>

namespace gfn {
namespace {

std::atomic<int> num_throwers = 0;

}  // namespace

ThrowOnCheckFailure::ThrowOnCheckFailure() { ++num_throwers; }
ThrowOnCheckFailure::~ThrowOnCheckFailure() { --num_throwers; }

namespace internal {

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  stream_ << file << ":" << line << ": check failed: " << condition << " ";
}

CheckFailure::~CheckFailure() noexcept(false) {
  if (num_throwers.load() > 0) throw CheckError(stream_.str());
  std::cerr << stream_.str() << std::endl;
  std::abort();
}

}  // namespace internal
}  // namespace gfn
