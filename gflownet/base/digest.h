// 64-bit content hashes, the same on every platform: XXH64 (Y. Collet; Debian's libxxhash) over a canonical serialisation. For
// identities (conditions, supports, base weights) and checksums against accidents, not against attackers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gflownet/base/status.h"

namespace gfn {

// XXH64, in pieces of any size.
class Xxh64 {
 public:
  explicit Xxh64(uint64_t seed = 0);
  Xxh64(const Xxh64& other);
  Xxh64& operator=(const Xxh64& other);
  ~Xxh64();
  void Update(std::span<const std::byte> bytes);
  uint64_t Finish() const;  // of everything so far; Update may go on

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A hash of a sequence of values. Each value carries its type, and strings and byte ranges their length, so that different
// sequences give different inputs ("ab","c" and "a","bc" differ; 1 and 1.0 differ).
class Digest {
 public:
  Digest& String(std::string_view value);
  Digest& Int(int64_t value);
  Digest& Bool(bool value);
  Digest& Real(double value);  // -0.0 as 0.0; every NaN as one
  Digest& Bytes(std::span<const std::byte> value);
  Digest& Ints(std::span<const int64_t> values);
  uint64_t value() const { return hash_.Finish(); }

 private:
  void Tagged(char tag, uint64_t value);
  Xxh64 hash_;
};

uint64_t HashBytes(std::span<const std::byte> bytes);
uint64_t HashText(std::string_view text);

// 16 lower-case hexadecimal digits, and back.
std::string DigestToHex(uint64_t digest);
StatusOr<uint64_t> DigestFromHex(std::string_view text);

}  // namespace gfn
