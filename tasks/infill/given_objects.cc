// Simulated stories as given objects, and the file that keeps them.
#include <nlohmann/json.hpp>

#include "gflownet/base/file_util.h"
#include "gflownet/base/jsonl.h"
#include "tasks/infill/infill_parts.h"
#include "tasks/infill/simulate.h"

namespace gfn {
namespace {

Status WriteStories(const std::string& path, const std::vector<SimulatedStory>& stories) {
  std::string text;
  for (const SimulatedStory& story : stories) {
    ASSIGN_OR_RETURN(const std::string line, JsonToText({{"example", story.example}, {"z", story.z}, {"stop", story.stop}, {"y", story.y}}));
    text += line + "\n";
  }
  return WriteFileAtomic(path, text);
}

StatusOr<std::vector<SimulatedStory>> ReadStories(const std::string& path, size_t num_examples, int64_t vocab_size) {
  ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(path));
  std::vector<SimulatedStory> stories;
  nlohmann::json line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
    if (!more) return stories;
    const auto valid_ids = [&](const char* key) {
      return line.contains(key) && line[key].is_array() && std::all_of(line[key].begin(), line[key].end(), [&](const auto& id) {
               return id.is_number_integer() && id.template get<int64_t>() >= 0 && id.template get<int64_t>() < vocab_size;
             });
    };
    if (!line.contains("example") || !line["example"].is_number_unsigned() || line["example"].get<size_t>() >= num_examples ||
        !valid_ids("z") || !valid_ids("y") || !line.contains("stop") || !line["stop"].is_number_integer()) {
      return DataLoss(reader.Where() + ": not a simulated story of this run");
    }
    stories.push_back({line["example"].get<size_t>(), line["z"].get<std::vector<int32_t>>(), line["stop"].get<int64_t>(),
                       line["y"].get<std::vector<int32_t>>()});
  }
}

}  // namespace

StatusOr<TrajectoryBatch> MakeGivenObjects(InfillParts& parts, const InfillSplit& train, const std::string& cache,
                                           const LogFunction& log) {
  const InfillConfig& task = parts.task;
  if (task.simulation.attempts == 0) return TrajectoryBatch();
  std::vector<SimulatedStory> stories;
  if (FileExists(cache)) {
    ASSIGN_OR_RETURN(stories, ReadStories(cache, train.examples.size(), parts.model->config().vocab_size));
  } else {
    SimulationRequest request;
    request.model = parts.model.get();
    request.tokenizer = parts.tokenizer.get();
    request.support = parts.environment->support();
    request.config = task.simulation;
    request.sentence_ends = ".!?";
    request.seed = static_cast<uint64_t>(parts.settings.seed);
    for (const ConditionId id : train.conditions) request.beginnings.push_back(parts.conditions.Get(id).x);
    if (log) log("simulating " + std::to_string(task.simulation.attempts) + " stories with the frozen model");
    ASSIGN_OR_RETURN(stories, SimulateStories(request));
    if (log) log("  " + std::to_string(stories.size()) + " of them are inside the support");
    RETURN_IF_ERROR(WriteStories(cache, stories));
  }

  std::vector<ConditionId> conditions;
  std::vector<std::vector<int32_t>> objects;
  for (const SimulatedStory& story : stories) {
    const InfillExample& example = train.examples[story.example];
    std::string y = parts.tokenizer->Decode(story.y, {.show_special = false, .continuation = true});
    if (y.starts_with(' ')) y = y.substr(1);
    // What the policy reads is text; what the reward scores are the tokens that were drawn.
    SequenceCondition condition = EncodeCondition(*parts.tokenizer, task.prompt, example.x, y);
    condition.y = story.y;
    const int64_t positions = static_cast<int64_t>(condition.prompt.size()) + parts.environment->support().max_len;
    if (!CheckContext(parts.model->config(), positions).ok()) continue;
    ASSIGN_OR_RETURN(const ConditionId id, InsertCondition(parts.conditions, std::move(condition)));
    conditions.push_back(id);
    objects.push_back(story.z);
    objects.back().push_back(static_cast<int32_t>(story.stop));
  }
  if (objects.empty()) {
    return InvalidArgument("none of the simulated stories is inside the support: raise task.simulation.attempts or widen task.support");
  }
  return MakeTokenBatch(*parts.environment, conditions, objects);
}

}  // namespace gfn
