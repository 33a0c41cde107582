#include "llm/kernels/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "gflownet/base/memory.h"

namespace gfn {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

float* Allocate(size_t words) {
  const size_t bytes = words * sizeof(float);
  const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (data == nullptr) throw AllocationFailure(bytes);
  // Weights are read from end to end for every token: fewer, larger pages save address look-ups. Only a hint.
  if (alignment == kHugePage) madvise(data, bytes, MADV_HUGEPAGE);
  return static_cast<float*>(data);
}

}  // namespace

AlignedBuffer::AlignedBuffer(size_t size) {
  if (size == 0) return;
  data_.reset(Allocate(size));
  size_ = size;
  std::memset(data_.get(), 0, size * sizeof(float));
}

float* AlignedBuffer::Reserve(size_t size) {
  if (size > size_) {
    data_.reset();
    size_ = 0;  // and stays so if there is no memory
    data_.reset(Allocate(size));
    size_ = size;
  }
  return data_.get();
}

void AlignedBuffer::Free::operator()(float* p) const { std::free(p); }

}  // namespace gfn
