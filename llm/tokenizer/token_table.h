// Two read-mostly hash tables with open addressing, each with the one question that encoding asks millions of times:
// which token is this byte string, and what do these two symbols merge into. Measured against std::unordered_map they
// halve the time of Encode, because a look-up touches one cache line and no node.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace gfn {

// Byte string -> token id. The strings are borrowed: whoever owns the tokens keeps them.
class TokenTable {
 public:
  // `expected` strings fit without growth; more are welcome.
  explicit TokenTable(size_t expected);
  // Keeps the id that was there if the string is already known, and says false.
  bool Insert(std::string_view text, int32_t id);
  // The id, or -1.
  int32_t Find(std::string_view text) const;

 private:
  struct Slot {
    uint64_t head = 0;  // the first eight bytes: most tokens are compared without touching their text
    const char* data = nullptr;
    uint32_t size = 0;
    int32_t id = -1;  // -1: free
  };
  size_t Place(std::string_view text) const;  // where it is, or the free slot where it would be
  void Grow();

  std::vector<Slot> slots_;  // a power of two, at most half full
  size_t used_ = 0;
};

// What two neighbouring symbols become, and how early (the lowest rank first).
struct BpeMerge {
  int32_t rank;
  int32_t id;
};

// (left, right) -> BpeMerge. Symbols are non-negative.
class MergeTable {
 public:
  static constexpr int32_t kNoRank = INT32_MAX;

  explicit MergeTable(size_t expected);
  // Keeps the merge that was there if the pair is already known, and says false.
  bool Insert(int32_t left, int32_t right, BpeMerge merge);
  // rank is kNoRank if they do not merge.
  BpeMerge Find(int32_t left, int32_t right) const {
    const uint64_t key = Key(left, right);
    for (size_t i = Hash(key) & mask_;; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].merge;
      if (slots_[i].key == kFree) return {kNoRank, -1};
    }
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t key = kFree;
    BpeMerge merge{kNoRank, -1};
  };
  static uint64_t Key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  static size_t Hash(uint64_t key) {
    key *= 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio: the high bits mix both halves
    return static_cast<size_t>(key >> 20 ^ key >> 44);
  }
  void Grow();

  std::vector<Slot> slots_;
  size_t mask_ = 0;
  size_t used_ = 0;
};

}  // namespace gfn
