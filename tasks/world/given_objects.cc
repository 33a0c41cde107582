#include "tasks/world/given_objects.h"

#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_map>

#include "gflownet/base/jsonl.h"
#include "gflownet/core/backward_rollout.h"

namespace gfn {
StatusOr<ObjectsByText> ObjectsByText::Make(const World& world, ConditionId condition) {
  const std::string& name = world.environment->Spec().name;
  if (world.enumerable == nullptr)
    return InvalidArgument("needs a world that can be listed, which " + name + " is not: " + world.not_enumerable);
  if (world.environment->Spec().is_stochastic) return InvalidArgument("needs a deterministic world, which " + name + " is not");
  const int64_t count = world.enumerable->NumObjects();
  const State objects = world.enumerable->ObjectsAt(at::arange(count, at::kLong), condition);
  ObjectsByText by_text;
  for (int64_t i = 0; i < count; ++i) by_text.numbers_.emplace(world.environment->Format(objects, i), i);
  return by_text;
}

std::optional<int64_t> ObjectsByText::Find(const std::string& text) const {
  const auto found = numbers_.find(text);
  return found == numbers_.end() ? std::nullopt : std::optional<int64_t>(found->second);
}

StatusOr<TrajectoryBatch> ReadGivenObjects(const World& world, const Policy& policy, const std::string& path, uint64_t seed) {
  const std::string& name = world.environment->Spec().name;
  const ConditionId condition = world.conditions.ids()[0];
  const StatusOr<ObjectsByText> by_text = ObjectsByText::Make(world, condition);
  if (!by_text.ok()) return Annotate(by_text.status(), "task.given");
  ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(path));
  std::vector<int64_t> chosen;
  nlohmann::json line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
    if (!more) break;
    if (!line.contains("text") || !line["text"].is_string())
      return InvalidArgument(reader.Where() + ": expected a text under \"text\", found " + line.dump());
    const std::optional<int64_t> found = by_text->Find(line["text"].get<std::string>());
    if (!found) {
      const State first = world.enumerable->ObjectsAt(at::zeros({1}, at::kLong), condition);
      return InvalidArgument(reader.Where() + ": " + name + " has no object " + line["text"].dump() + "; one that it has is \"" +
                             world.environment->Format(first, 0) + "\"");
    }
    chosen.push_back(*found);
  }
  if (chosen.empty()) return InvalidArgument(path + ": expected at least one object, found none");
  const State objects = world.enumerable->ObjectsAt(at::tensor(chosen, at::kLong), condition);
  std::vector<uint64_t> streams(chosen.size());
  std::iota(streams.begin(), streams.end(), 0);
  return BackwardRollout(*world.environment, policy, objects, std::vector<ConditionId>(chosen.size(), condition), streams,
                         {seed, RngPurpose::kData, 0});
}

}  // namespace gfn
