#include "llm/tokenizer/proto_reader.h"

#include <cstring>

namespace gfn {

bool ProtoReader::ReadVarint(uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const uint64_t byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    *value |= (byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool ProtoReader::Take(uint64_t size, std::string_view* bytes) {
  if (size > rest_.size()) return false;
  *bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool ProtoReader::Next() {
  if (!ok_ || rest_.empty()) return false;
  uint64_t key = 0, size = 0;
  ok_ = ReadVarint(&key);
  field_ = key >> 3;
  wire_ = key & 7;
  if (!ok_) return false;
  switch (wire_) {
    case kVarint:
      ok_ = ReadVarint(&varint_);
      break;
    case kFixed64:
      ok_ = Take(8, &bytes_);
      break;
    case kBytes:
      ok_ = ReadVarint(&size) && Take(size, &bytes_);
      break;
    case kFixed32:
      ok_ = Take(4, &bytes_);
      break;
    default:
      ok_ = false;  // groups are not used by this format
  }
  ok_ = ok_ && field_ > 0;
  return ok_;
}

uint64_t ProtoReader::Varint() {
  ok_ = ok_ && wire_ == kVarint;
  return ok_ ? varint_ : 0;
}

float ProtoReader::Float() {
  ok_ = ok_ && wire_ == kFixed32;
  float value = 0;
  if (ok_) std::memcpy(&value, bytes_.data(), sizeof(value));
  return value;
}

std::string_view ProtoReader::Bytes() {
  ok_ = ok_ && wire_ == kBytes;
  return ok_ ? bytes_ : std::string_view();
}

}  // namespace gfn
