#include "tasks/world/given_objects.h"

#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_map>

#include "gflownet/base/jsonl.h"
#include "gflownet/core/backward_rollout.h"

namespace gfn {
namespace {

// The number of the object of each text.
std::unordered_map<std::string, int64_t> NumbersByText(const World& world, ConditionId condition) {
  const int64_t count = world.enumerable->NumObjects();
  const State objects = world.enumerable->ObjectsAt(at::arange(count, at::kLong), condition);
  std::unordered_map<std::string, int64_t> numbers;
  for (int64_t i = 0; i < count; ++i) numbers.emplace(world.environment->Format(objects, i), i);
  return numbers;
}

}  // namespace

StatusOr<TrajectoryBatch> ReadGivenObjects(const World& world, const Policy& policy, const std::string& path, uint64_t seed) {
  const std::string& name = world.environment->Spec().name;
  if (world.enumerable == nullptr)
    return InvalidArgument("task.given needs a world that can be listed, which " + name + " is not: " + world.not_enumerable);
  if (world.environment->Spec().is_stochastic)
    return InvalidArgument("task.given needs a deterministic world, which " + name + " is not");
  const ConditionId condition = world.conditions.ids()[0];
  const std::unordered_map<std::string, int64_t> numbers = NumbersByText(world, condition);
  ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(path));
  std::vector<int64_t> chosen;
  nlohmann::json line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
    if (!more) break;
    if (!line.contains("text") || !line["text"].is_string())
      return InvalidArgument(reader.Where() + ": expected a text under \"text\", found " + line.dump());
    const auto found = numbers.find(line["text"].get<std::string>());
    if (found == numbers.end()) {
      const State first = world.enumerable->ObjectsAt(at::zeros({1}, at::kLong), condition);
      return InvalidArgument(reader.Where() + ": " + name + " has no object " + line["text"].dump() + "; one that it has is \"" +
                             world.environment->Format(first, 0) + "\"");
    }
    chosen.push_back(found->second);
  }
  if (chosen.empty()) return InvalidArgument(path + ": expected at least one object, found none");
  const State objects = world.enumerable->ObjectsAt(at::tensor(chosen, at::kLong), condition);
  std::vector<uint64_t> streams(chosen.size());
  std::iota(streams.begin(), streams.end(), 0);
  return BackwardRollout(*world.environment, policy, objects, std::vector<ConditionId>(chosen.size(), condition), streams,
                         {seed, RngPurpose::kData, 0});
}

}  // namespace gfn
