#include "gflownet/base/digest.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace gfn {
namespace {

// The primes of the xxHash specification.
constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87ull;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Full;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9ull;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63ull;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5ull;

static_assert(std::endian::native == std::endian::little, "words are read as the specification's little-endian ones");

uint64_t Read64(const std::byte* p) {
  uint64_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

uint64_t Read32(const std::byte* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

uint64_t Round(uint64_t lane, uint64_t input) { return std::rotl(lane + input * kPrime2, 31) * kPrime1; }

uint64_t MergeLane(uint64_t hash, uint64_t lane) { return (hash ^ Round(0, lane)) * kPrime1 + kPrime4; }

}  // namespace

Xxh64::Xxh64(uint64_t seed) : seed_(seed), lanes_{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1} {}

void Xxh64::Update(std::span<const std::byte> bytes) {
  total_ += bytes.size();
  const auto stripe = [this](const std::byte* p) {
    for (int i = 0; i < 4; ++i) lanes_[i] = Round(lanes_[i], Read64(p + 8 * i));
  };
  if (tail_size_ > 0) {
    const size_t taken = std::min(bytes.size(), sizeof tail_ - tail_size_);
    std::copy_n(bytes.begin(), taken, tail_ + tail_size_);
    tail_size_ += taken;
    bytes = bytes.subspan(taken);
    if (tail_size_ < sizeof tail_) return;
    stripe(tail_);
    tail_size_ = 0;
  }
  for (; bytes.size() >= sizeof tail_; bytes = bytes.subspan(sizeof tail_)) stripe(bytes.data());
  std::copy(bytes.begin(), bytes.end(), tail_);
  tail_size_ = bytes.size();
}

uint64_t Xxh64::Finish() const {
  uint64_t hash;
  if (total_ >= sizeof tail_) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
    for (const uint64_t lane : lanes_) hash = MergeLane(hash, lane);
  } else {
    hash = seed_ + kPrime5;
  }
  hash += total_;
  const std::byte* p = tail_;
  const std::byte* end = tail_ + tail_size_;
  for (; end - p >= 8; p += 8) hash = std::rotl(hash ^ Round(0, Read64(p)), 27) * kPrime1 + kPrime4;
  for (; end - p >= 4; p += 4) hash = std::rotl(hash ^ (Read32(p) * kPrime1), 23) * kPrime2 + kPrime3;
  for (; p < end; ++p) hash = std::rotl(hash ^ (static_cast<uint64_t>(*p) * kPrime5), 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

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

uint64_t HashBytes(std::span<const std::byte> bytes) {
  Xxh64 hash;
  hash.Update(bytes);
  return hash.Finish();
}

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
