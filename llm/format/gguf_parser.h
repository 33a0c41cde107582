// Reads the bytes of a GGUF container into a GgufFile; internal to gguf_file.cc.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/format/gguf_file.h"

namespace gfn {

class GgufParser {
 public:
  // bytes outlive file.
  GgufParser(std::span<const std::byte> bytes, GgufFile& file) : bytes_(bytes), file_(file) {}

  Status Run();

 private:
  // The numbers of the format's value types.
  enum class ValueType : uint32_t {
    kUint8,
    kInt8,
    kUint16,
    kInt16,
    kUint32,
    kInt32,
    kFloat32,
    kBool,
    kString,
    kArray,
    kUint64,
    kInt64,
    kFloat64
  };

  Status ReadHeader();
  Status ReadMetadata();
  Status ReadTensorInfos();
  Status LocateTensors();

  StatusOr<GgufValue> ReadValue(uint32_t type);
  StatusOr<GgufValue> ReadArray();
  template <class Stored, class Element>
  StatusOr<GgufValue> ReadScalars(uint64_t count);
  StatusOr<std::string> ReadString();
  template <class Element, class Stored>
  StatusOr<Element> Convert(Stored value) const;

  template <class T>
  StatusOr<T> Read() {
    static_assert(std::is_trivially_copyable_v<T>);
    if (remaining() < sizeof(T)) return Truncated(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  uint64_t remaining() const { return bytes_.size() - position_; }
  Status Truncated(uint64_t wanted) const;
  // DataLoss: "<file>: at byte 1234, in <what is read>: <message>".
  Status Damaged(const std::string& message) const;

  std::span<const std::byte> bytes_;
  GgufFile& file_;
  uint64_t position_ = 0;
  std::string reading_ = "the header";  // what is read just now, for messages
  uint64_t num_tensors_ = 0;
  uint64_t num_keys_ = 0;
  std::vector<uint64_t> offsets_;  // of each tensor, from the start of the data section
};

}  // namespace gfn
