// A buffer of 4-byte words on a cache-line boundary, moved but not copied.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace gfn {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Zeroed; large buffers ask the system for huge pages.
  explicit AlignedBuffer(size_t size);
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  size_t size() const { return size_; }

  // At least `size` words, with unspecified content: scratch space that grows and is kept.
  float* Reserve(size_t size);

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float, Free> data_;
  size_t size_ = 0;
};

}  // namespace gfn
