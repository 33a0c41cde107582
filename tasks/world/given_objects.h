// Objects of a world from a file, for maximum likelihood, a warm start or a seeded replay buffer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "gflownet/core/policy.h"
#include "gflownet/core/trajectory.h"
#include "tasks/world/world.h"

namespace gfn {

// The objects of a world by their texts.
class ObjectsByText {
 public:
  // InvalidArgument for a world that cannot be listed, or is stochastic.
  static StatusOr<ObjectsByText> Make(const World& world, ConditionId condition);
  // The number of the object (EnumerableEnvironment::ObjectsAt).
  std::optional<int64_t> Find(const std::string& text) const;

 private:
  std::unordered_map<std::string, int64_t> numbers_;
};

// JSON lines {"text": ...} as `gfn sample` prints them; every line is one row of the result, with a trajectory drawn from the
// policy's P_B. For deterministic worlds that can be listed: an object is found by its text. A text that no object has is refused
// with its line.
StatusOr<TrajectoryBatch> ReadGivenObjects(const World& world, const Policy& policy, const std::string& path, uint64_t seed);

}  // namespace gfn
