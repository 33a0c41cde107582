// Reads the fields of one Protocol Buffers message from its wire format (https://protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstdint>
#include <string_view>

namespace gfn {

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message) {}

  // Moves to the next field; false at the end and at damage.
  bool Next();
  // Everything so far was well-formed.
  bool ok() const { return ok_; }

  uint64_t field() const { return field_; }
  // What the field holds; wrong_type is remembered as damage.
  bool Bool() { return Varint() != 0; }
  uint64_t Varint();
  float Float();
  std::string_view Bytes();  // strings and messages

 private:
  enum Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  bool ReadVarint(uint64_t* value);
  bool Take(uint64_t size, std::string_view* bytes);

  std::string_view rest_;
  bool ok_ = true;
  uint64_t field_ = 0;
  uint64_t wire_ = kVarint;
  uint64_t varint_ = 0;
  std::string_view bytes_;
};

}  // namespace gfn
