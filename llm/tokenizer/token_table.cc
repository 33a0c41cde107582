#include "llm/tokenizer/token_table.h"

#include <bit>
#include <cstring>
#include <utility>

namespace gfn {
namespace {

size_t CapacityFor(size_t expected) { return std::bit_ceil(expected < 8 ? size_t{16} : expected * 2); }

constexpr size_t kWord = 8;

// The first eight bytes, with zeros behind a shorter text.
uint64_t Head(std::string_view text) {
  uint64_t word = 0;
  std::memcpy(&word, text.data(), text.size() < kWord ? text.size() : kWord);
  return word;
}

// Multiply to 128 bits and fold, eight bytes at a time: every byte reaches the low bits, which choose the slot. The length is
// mixed in, so that padding with zero bytes is no collision.
uint64_t HashOf(std::string_view text) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  uint64_t hash = text.size() * kMultiplier;
  for (size_t pos = 0; pos < text.size(); pos += kWord) {
    const auto product = static_cast<unsigned __int128>(hash ^ Head(text.substr(pos))) * kMultiplier;
    hash = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  return hash;
}

}  // namespace

TokenTable::TokenTable(size_t expected) : slots_(CapacityFor(expected)) {}

size_t TokenTable::Place(std::string_view text) const {
  const size_t mask = slots_.size() - 1;
  const uint64_t head = Head(text);
  for (size_t i = HashOf(text) & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.id < 0) return i;
    if (slot.head != head || slot.size != text.size()) continue;
    if (text.size() <= kWord || std::memcmp(slot.data + kWord, text.data() + kWord, text.size() - kWord) == 0) return i;
  }
}

bool TokenTable::Insert(std::string_view text, int32_t id) {
  if ((used_ + 1) * 2 > slots_.size()) Grow();
  Slot& slot = slots_[Place(text)];
  if (slot.id >= 0) return false;
  slot = {Head(text), text.data(), static_cast<uint32_t>(text.size()), id};
  ++used_;
  return true;
}

int32_t TokenTable::Find(std::string_view text) const { return slots_[Place(text)].id; }

void TokenTable::Grow() {
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  for (const Slot& slot : old) {
    if (slot.id >= 0) slots_[Place({slot.data, slot.size})] = slot;
  }
}

MergeTable::MergeTable(size_t expected) : slots_(CapacityFor(expected)), mask_(slots_.size() - 1) {}

bool MergeTable::Insert(int32_t left, int32_t right, BpeMerge merge) {
  if ((used_ + 1) * 2 > slots_.size()) Grow();
  const uint64_t key = Key(left, right);
  size_t i = Hash(key) & mask_;
  while (slots_[i].key != kFree) {
    if (slots_[i].key == key) return false;
    i = (i + 1) & mask_;
  }
  slots_[i] = {key, merge};
  ++used_;
  return true;
}

void MergeTable::Grow() {
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  mask_ = slots_.size() - 1;
  used_ = 0;
  for (const Slot& slot : old) {
    if (slot.key != kFree) Insert(static_cast<int32_t>(slot.key >> 32), static_cast<int32_t>(slot.key & 0xFFFFFFFFu), slot.merge);
  }
}

}  // namespace gfn
