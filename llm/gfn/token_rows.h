// The token scores that a pass over a forest is asked for: (position, target token) pairs, each computed once.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace gfn {

class TokenRows {
 public:
  // The row that predicts `target` (-1: only stops and the normaliser are wanted) behind `position`.
  int64_t Add(int64_t position, int64_t target) {
    const auto [found, is_new] = index_.try_emplace(position * kTargets + target + 1, static_cast<int64_t>(positions.size()));
    if (is_new) {
      positions.push_back(position);
      targets.push_back(target);
    }
    return found->second;
  }

  std::vector<int64_t> positions;
  std::vector<int64_t> targets;

 private:
  static constexpr int64_t kTargets = int64_t{1} << 31;
  std::unordered_map<int64_t, int64_t> index_;
};

}  // namespace gfn
