// Builds GGUF files byte by byte, for tests: right ones and, because nothing is checked, wrong ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace gfn {

class GgufBuilder {
 public:
  explicit GgufBuilder(uint32_t version = 3) : version_(version) {}

  template <class T>
  static void Append(std::string& out, T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    out.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  static std::string Text(std::string_view text) {
    std::string out;
    Append(out, static_cast<uint64_t>(text.size()));
    return out.append(text);
  }

  // A key with any type number and any bytes as its value.
  GgufBuilder& RawKey(std::string_view key, uint32_t type, std::string_view value) {
    keys_ += Text(key);
    Append(keys_, type);
    keys_ += value;
    ++num_keys;
    return *this;
  }
  GgufBuilder& Uint32(std::string_view key, uint32_t value) { return RawKey(key, 4, {reinterpret_cast<char*>(&value), 4}); }
  GgufBuilder& Float32(std::string_view key, float value) { return RawKey(key, 6, {reinterpret_cast<char*>(&value), 4}); }
  GgufBuilder& String(std::string_view key, std::string_view value) { return RawKey(key, 8, Text(value)); }

  // dims in GGUF order; the data goes to the next aligned place.
  GgufBuilder& Tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type, std::string_view data) {
    data_.resize((data_.size() + alignment - 1) / alignment * alignment);
    RawTensor(name, dims, type, data_.size());
    data_ += data;
    return *this;
  }
  GgufBuilder& F32(std::string_view name, const std::vector<uint64_t>& dims, const std::vector<float>& values) {
    return Tensor(name, dims, 0, {reinterpret_cast<const char*>(values.data()), 4 * values.size()});
  }
  GgufBuilder& RawTensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
    tensors_ += Text(name);
    Append(tensors_, static_cast<uint32_t>(dims.size()));
    for (const uint64_t n : dims) Append(tensors_, n);
    Append(tensors_, type);
    Append(tensors_, offset);
    ++num_tensors;
    return *this;
  }

  std::string Build() const {
    std::string out = "GGUF";
    Append(out, version_);
    Append(out, num_tensors);
    Append(out, num_keys);
    out += keys_ + tensors_;
    if (num_tensors > 0) out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data_;
  }

  // Written into the header as they stand at the end.
  uint64_t num_keys = 0;
  uint64_t num_tensors = 0;
  // Of the data; the key general.alignment is the caller's.
  size_t alignment = 32;

 private:
  uint32_t version_;
  std::string keys_, tensors_, data_;
};

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace gfn
