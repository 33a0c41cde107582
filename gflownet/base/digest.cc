#include "gflownet/base/digest.h"

// The whole library in this file, so that what is linked to gflownet needs no further one.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace gfn {

static_assert(std::endian::native == std::endian::little, "values are hashed as the little-endian bytes that they are");

struct Xxh64::State {
  XXH64_state_t hash;
};

Xxh64::Xxh64(uint64_t seed) : state_(std::make_unique<State>()) { XXH64_reset(&state_->hash, seed); }
Xxh64::Xxh64(const Xxh64& other) : state_(std::make_unique<State>(*other.state_)) {}
Xxh64& Xxh64::operator=(const Xxh64& other) {
  *state_ = *other.state_;
  return *this;
}
Xxh64::~Xxh64() = default;

void Xxh64::Update(std::span<const std::byte> bytes) { XXH64_update(&state_->hash, bytes.data(), bytes.size()); }

uint64_t Xxh64::Finish() const { return XXH64_digest(&state_->hash); }

void Digest::Tagged(char tag, uint64_t value) {
  std::byte bytes[9] = {static_cast<std::byte>(tag)};
  std::memcpy(bytes + 1, &value, sizeof value);
  hash_.Update(bytes);
}

Digest& Digest::String(std::string_view value) {
  Tagged('s', value.size());
  hash_.Update(std::as_bytes(std::span(value)));
  return *this;
}

Digest& Digest::Int(int64_t value) {
  Tagged('i', static_cast<uint64_t>(value));
  return *this;
}

Digest& Digest::Bool(bool value) {
  Tagged('b', value);
  return *this;
}

Digest& Digest::Real(double value) {
  constexpr uint64_t kNan = 0x7FF8000000000000ull;
  Tagged('r', std::isnan(value) ? kNan : std::bit_cast<uint64_t>(value == 0 ? 0.0 : value));
  return *this;
}

Digest& Digest::Bytes(std::span<const std::byte> value) {
  Tagged('y', value.size());
  hash_.Update(value);
  return *this;
}

Digest& Digest::Ints(std::span<const int64_t> values) {
  Tagged('l', values.size());
  hash_.Update(std::as_bytes(values));
  return *this;
}

uint64_t HashBytes(std::span<const std::byte> bytes) { return XXH64(bytes.data(), bytes.size(), 0); }

uint64_t HashText(std::string_view text) { return HashBytes(std::as_bytes(std::span(text))); }

std::string DigestToHex(uint64_t digest) {
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, digest >>= 4) text[i] = "0123456789abcdef"[digest & 15];
  return text;
}

StatusOr<uint64_t> DigestFromHex(std::string_view text) {
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() != 16 || result.ec != std::errc() || DigestToHex(value) != text) {
    return DataLoss("expected 16 lower-case hexadecimal digits, found '" + std::string(text.substr(0, 32)) + "'");
  }
  return value;
}

}  // namespace gfn
