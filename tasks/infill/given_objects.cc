// Simulated stories as given objects, and the file that keeps them.
#include <nlohmann/json.hpp>

#include "gflownet/base/file_util.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/train/signals.h"
#include "tasks/infill/infill_task.h"
#include "tasks/infill/simulate.h"
#include "tasks/text/text_simulated.h"

namespace gfn {
namespace {

// A line of the file: the attempts up to `last`, and what came of those since the line before.
//   {"last": 96, "stories": [{"example": 0, "z": [...], "stop": 13, "y": [...]}, ...]}
nlohmann::json ToJson(int64_t last, const std::vector<SimulatedStory>& stories) {
  nlohmann::json list = nlohmann::json::array();
  for (const SimulatedStory& story : stories)
    list.push_back({{"example", story.example}, {"z", story.z}, {"stop", story.stop}, {"y", story.y}});
  return {{"last", last}, {"stories", std::move(list)}};
}

bool IsStory(const nlohmann::json& json, size_t num_examples, int64_t vocab_size) {
  const auto is_id = [&](const nlohmann::json& id) {
    return id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() < vocab_size;
  };
  const auto are_ids = [&](const char* key) {
    return json.contains(key) && json[key].is_array() && std::all_of(json[key].begin(), json[key].end(), is_id);
  };
  return json.is_object() && json.contains("example") && json["example"].is_number_unsigned() &&
         json["example"].get<size_t>() < num_examples && are_ids("z") && are_ids("y") && json.contains("stop") &&
         is_id(json["stop"]);
}

struct StoredStories {
  std::vector<SimulatedStory> stories;
  int64_t last = 0;  // attempts that were made
};

StatusOr<StoredStories> ReadStories(const std::string& path, size_t num_examples, int64_t vocab_size) {
  StoredStories stored;
  if (!FileExists(path)) return stored;
  ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(path));
  nlohmann::json line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
    if (!more) return stored;
    const bool valid = line.contains("last") && line["last"].is_number_integer() && line["last"].get<int64_t>() > stored.last &&
                       line.contains("stories") && line["stories"].is_array() &&
                       std::all_of(line["stories"].begin(), line["stories"].end(),
                                   [&](const auto& story) { return IsStory(story, num_examples, vocab_size); });
    if (!valid) return DataLoss(reader.Where() + ": not simulated stories of this run; remove the file to simulate them again");
    stored.last = line["last"].get<int64_t>();
    for (const auto& story : line["stories"]) {
      stored.stories.push_back({story["example"].get<size_t>(), story["z"].get<std::vector<int32_t>>(),
                                story["stop"].get<int64_t>(), story["y"].get<std::vector<int32_t>>()});
    }
  }
}

SimulationRequest RequestFor(const TextParts& parts, const InfillSimulation& simulation) {
  SimulationRequest request;
  request.model = parts.model.get();
  request.tokenizer = parts.tokenizer.get();
  request.support = parts.environment->support();
  request.config = simulation;
  request.sentence_ends = ".!?";
  request.seed = static_cast<uint64_t>(parts.settings.seed);
  return request;
}

// What the policy reads is text; what the reward scores are the tokens that were drawn.
TextExample SimulatedExample(const TextParts& parts, const TextExample& beginning, const SimulatedStory& story) {
  TextExample simulated = beginning;
  simulated.y = parts.tokenizer->Decode(story.y, {.show_special = false, .continuation = true});
  if (simulated.y.starts_with(' ')) simulated.y = simulated.y.substr(1);
  return simulated;
}

// The stories of the file, and those that are missing in it, which are written to it part by part.
StatusOr<std::vector<SimulatedStory>> ReadOrSimulate(const InfillSimulation& simulation, const TextParts& parts,
                                                     const TextSplit& train, const std::string& cache, const LogFunction& log) {
  const int64_t total = simulation.attempts;
  // Opening it cuts off half a line that a killed process left.
  ASSIGN_OR_RETURN(JsonlWriter writer, JsonlWriter::Open(cache));
  ASSIGN_OR_RETURN(StoredStories stored, ReadStories(cache, train.examples.size(), parts.model->config().vocab_size));
  if (stored.last >= total) return std::move(stored.stories);
  SimulationRequest request = RequestFor(parts, simulation);
  for (const ConditionId id : train.conditions) request.beginnings.push_back(parts.conditions.Get(id).x);
  if (log)
    log("simulating " + std::to_string(total) + " stories with the frozen model" +
        (stored.last > 0 ? ", " + std::to_string(stored.last) + " are there already" : ""));
  const StopNotice notice("keeping the stories that are simulated by now, then stopping");
  for (int64_t first = stored.last; first < total; first += kSimulationChunk) {
    if (StopRequested()) {
      return Cancelled("stopped by a signal while stories were simulated; " + std::to_string(first) + " of " +
                       std::to_string(total) + " are kept");
    }
    const int64_t last = std::min(total, first + kSimulationChunk);
    ASSIGN_OR_RETURN(const std::vector<SimulatedStory> stories, SimulateStories(request, first, last));
    RETURN_IF_ERROR(writer.Append(ToJson(last, stories)));
    stored.stories.insert(stored.stories.end(), stories.begin(), stories.end());
  }
  RETURN_IF_ERROR(writer.Sync());
  if (log) log("  " + std::to_string(stored.stories.size()) + " of them are inside the support");
  return std::move(stored.stories);
}

}  // namespace

StatusOr<TrajectoryBatch> SimulatedObjects(const InfillSimulation& simulation, TextParts& parts, const TextSplit& train,
                                           const std::string& cache, const LogFunction& log) {
  ASSIGN_OR_RETURN(const std::vector<SimulatedStory> stories, ReadOrSimulate(simulation, parts, train, cache, log));

  std::vector<ConditionId> conditions;
  std::vector<std::vector<int32_t>> objects;
  for (const SimulatedStory& story : stories) {
    const TextExample simulated = SimulatedExample(parts, train.examples[story.example], story);
    ASSIGN_OR_RETURN(SequenceCondition condition, parts.kind->Encode(*parts.tokenizer, parts.config().prompt, simulated));
    condition.y = story.y;
    const int64_t positions = static_cast<int64_t>(condition.prompt.size()) + parts.environment->support().max_len;
    if (!CheckContext(parts.model->config(), positions).ok()) continue;
    ASSIGN_OR_RETURN(const ConditionId id, InsertCondition(parts.conditions, std::move(condition)));
    conditions.push_back(id);
    objects.push_back(story.z);
    objects.back().push_back(static_cast<int32_t>(story.stop));
  }
  if (objects.empty()) {
    return InvalidArgument(
        "none of the simulated stories is inside the support: raise task.simulation.attempts or widen task.support");
  }
  return MakeTokenBatch(*parts.environment, conditions, objects);
}

StatusOr<std::vector<ExactDraw>> DrawExactly(const InfillSimulation& simulation, TextParts& parts,
                                             const std::vector<TextExample>& examples, int64_t num) {
  constexpr int64_t kMostAttempts = 10000;  // for each draw that is wanted
  SimulationRequest request = RequestFor(parts, simulation);
  request.config.temperature = 1;
  request.config.endings = 1;  // another ending of the same z would not be independent
  request.config.attempts = 0;
  request.seed = MixBits(request.seed + 1);  // other texts than a warm start has seen
  for (const TextExample& example : examples) {
    ASSIGN_OR_RETURN(const SequenceCondition condition, parts.kind->Encode(*parts.tokenizer, parts.config().prompt, example));
    request.beginnings.push_back(condition.x);
  }
  const StopNotice notice("stopping with nothing kept");
  std::vector<ExactDraw> draws;
  for (int64_t first = 0; static_cast<int64_t>(draws.size()) < num; first += kSimulationChunk) {
    if (StopRequested()) return Cancelled("stopped by a signal while texts were drawn");
    if (first >= num * kMostAttempts) {
      return FailedPrecondition("--simulated: " + std::to_string(first) + " attempts gave " + std::to_string(draws.size()) +
                                " texts inside task.support");
    }
    ASSIGN_OR_RETURN(const std::vector<SimulatedStory> stories, SimulateStories(request, first, first + kSimulationChunk));
    for (const SimulatedStory& story : stories) {
      if (static_cast<int64_t>(draws.size()) == num) break;
      ExactDraw draw{SimulatedExample(parts, examples[story.example], story), story.y, story.z};
      draw.tokens.push_back(static_cast<int32_t>(story.stop));
      const int64_t positions = static_cast<int64_t>(request.beginnings[story.example].size() + story.y.size());
      if (CheckContext(parts.model->config(), 2 * positions + parts.environment->support().max_len).ok())
        draws.push_back(std::move(draw));
    }
  }
  return draws;
}

}  // namespace gfn
