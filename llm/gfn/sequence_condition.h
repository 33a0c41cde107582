// What a sequence sampler is asked about, as token ids: the policy reads `prompt`; the reward is the likelihood of
// x z stop y. A continuation has an empty y; there prompt and x may be the same.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/core/condition.h"

namespace gfn {

struct SequenceCondition {
  std::vector<int32_t> prompt;  // not empty
  std::vector<int32_t> x;       // not empty
  std::vector<int32_t> y;       // may be empty
  // Other endings that could stand for y (the other labels), for rewards that ask whether y is the likeliest.
  std::vector<std::vector<int32_t>> rivals = {};

  // The canonical content: all of it, unambiguously.
  std::string Canonical() const {
    std::string text;
    for (const auto* part : {&prompt, &x, &y}) {
      for (const int32_t id : *part) text += std::to_string(id) + ' ';
      text += '|';
    }
    for (const std::vector<int32_t>& rival : rivals) {
      for (const int32_t id : rival) text += std::to_string(id) + ' ';
      text += '/';
    }
    return text;
  }
};

using SequenceConditionTable = ConditionTableOf<SequenceCondition>;

inline StatusOr<ConditionId> InsertCondition(SequenceConditionTable& table, SequenceCondition condition) {
  std::string canonical = condition.Canonical();
  return table.Insert(std::move(canonical), std::move(condition));
}

}  // namespace gfn
