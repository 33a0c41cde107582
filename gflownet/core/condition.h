// A condition is what a sampler is asked about: a prompt, a story with a gap, or nothing at all. It is named everywhere by a
// 64-bit hash of its canonical content, so replay buffers and checkpoints stay right when a data file is edited or reordered.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gflownet/base/check.h"
#include "gflownet/base/status.h"

namespace gfn {

struct ConditionId {
  uint64_t value = 0;
  auto operator<=>(const ConditionId&) const = default;
  std::string ToString() const;  // 16 hexadecimal digits
};

// The inverse of ToString: exactly 16 hexadecimal digits.
StatusOr<ConditionId> ParseConditionId(std::string_view text);

// XXH64 of the canonical content. What is canonical is the task's choice (for text: the token ids, not the file's line).
ConditionId HashCondition(std::string_view canonical);

struct ConditionIdHash {
  size_t operator()(ConditionId id) const { return static_cast<size_t>(id.value); }
};

// The known conditions in order of insertion. Made once and then shared, const, by environment, policy and reward.
class ConditionTable {
 public:
  ConditionTable() = default;

  // Adds the condition, or finds it: the same content always has the same id. Two contents with one hash are refused.
  StatusOr<ConditionId> Insert(std::string canonical);
  bool Contains(ConditionId id) const { return index_.contains(id); }
  // Position in order of insertion; the condition must be known.
  int64_t Index(ConditionId id) const;
  const std::string& Content(ConditionId id) const { return contents_[Index(id)]; }
  const std::vector<ConditionId>& ids() const { return ids_; }
  int64_t size() const { return static_cast<int64_t>(ids_.size()); }

 private:
  std::vector<ConditionId> ids_;
  std::vector<std::string> contents_;
  std::unordered_map<ConditionId, int64_t, ConditionIdHash> index_;
};

// A table that keeps a parsed payload (token ids, a sentence, a data row) beside each condition.
template <class Payload>
class ConditionTableOf : public ConditionTable {
 public:
  StatusOr<ConditionId> Insert(std::string canonical, Payload payload) {
    ASSIGN_OR_RETURN(const ConditionId id, ConditionTable::Insert(std::move(canonical)));
    if (Index(id) == static_cast<int64_t>(payloads_.size())) payloads_.push_back(std::move(payload));
    return id;
  }
  const Payload& Get(ConditionId id) const { return payloads_[Index(id)]; }

 private:
  std::vector<Payload> payloads_;
};

// The one condition of a world that has none: the hash of the empty string.
ConditionId Unconditional();
// B copies of one condition, as Rollout and Initial take them.
std::vector<ConditionId> Repeat(ConditionId id, int64_t times);

}  // namespace gfn
