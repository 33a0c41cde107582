// Writes small GGUF files (version 3, no tensors) for tests of what is read from their metadata.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace gfn::test {

class GgufTestWriter {
 public:
  GgufTestWriter& String(std::string_view key, std::string_view value) {
    Key(key, kString);
    Text(value);
    return *this;
  }
  GgufTestWriter& Bool(std::string_view key, bool value) {
    Key(key, kBool);
    body_.push_back(value ? 1 : 0);
    return *this;
  }
  GgufTestWriter& Uint(std::string_view key, uint32_t value) {
    Key(key, kUint32);
    Put(value);
    return *this;
  }
  GgufTestWriter& Strings(std::string_view key, const std::vector<std::string>& values) {
    Array(key, kString, values.size());
    for (const std::string& value : values) Text(value);
    return *this;
  }
  GgufTestWriter& Ints(std::string_view key, const std::vector<int32_t>& values) {
    Array(key, kInt32, values.size());
    for (const int32_t value : values) Put(value);
    return *this;
  }
  GgufTestWriter& Floats(std::string_view key, const std::vector<float>& values) {
    Array(key, kFloat32, values.size());
    for (const float value : values) Put(value);
    return *this;
  }
  std::string Finish() const {
    GgufTestWriter head;
    head.body_ = "GGUF";
    head.Put(uint32_t{3});
    head.Put(uint64_t{0});  // tensors
    head.Put(num_keys_);
    return head.body_ + body_;
  }

 private:
  enum Type : uint32_t { kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9 };

  template <class T>
  void Put(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    body_.append(bytes, sizeof(T));
  }
  void Text(std::string_view text) {
    Put(uint64_t{text.size()});
    body_ += text;
  }
  void Key(std::string_view key, Type type) {
    Text(key);
    Put(static_cast<uint32_t>(type));
    ++num_keys_;
  }
  void Array(std::string_view key, Type type, size_t size) {
    Key(key, kArray);
    Put(static_cast<uint32_t>(type));
    Put(uint64_t{size});
  }

  std::string body_;
  uint64_t num_keys_ = 0;
};

}  // namespace gfn::test
