#include "tasks/world/world_sample.h"

#include <cmath>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "gflownet/base/jsonl.h"
#include "gflownet/core/backward_rollout.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/sampler_metrics.h"
#include "tasks/world/given_objects.h"

namespace gfn {
namespace {

using nlohmann::json;

constexpr int64_t kRowsAtATime = 256;

// The first `length` entries of a row of a tensor [B, T] or [B, T, D].
json RowToJson(const at::Tensor& values_BT, int64_t row, int64_t length) {
  const at::Tensor values = values_BT[row].narrow(0, 0, length);
  json list = json::array();
  for (int64_t k = 0; k < length; ++k) {
    if (values.dim() == 1) {
      list.push_back(values[k].item<int64_t>());
      continue;
    }
    json coordinates = json::array();
    for (int64_t d = 0; d < values.size(1); ++d) coordinates.push_back(values[k][d].item<double>());
    list.push_back(std::move(coordinates));
  }
  return list;
}

Status EmitSamples(const World& world, const ScoredSamples& samples, const EmitLine& emit) {
  const State objects = FinalStates(*world.environment, samples.batch);
  for (int64_t row = 0; row < samples.batch.size(); ++row) {
    const int64_t length = samples.batch.lengths_B[row].item<int64_t>();
    json line = {{"text", world.environment->Format(objects, row)},
                 {"actions", RowToJson(samples.batch.actions_BT, row, length)},
                 {"log_pf", samples.log_pf_B[row].item<double>()},
                 {"log_pb", samples.log_pb_B[row].item<double>()},
                 {"log_reward", samples.batch.log_reward_B[row].item<double>()}};
    if (samples.batch.outcomes_BT.defined()) line["outcomes"] = RowToJson(samples.batch.outcomes_BT, row, length);
    if (world.conditions.size() > 1) line["condition"] = world.conditions.Content(samples.batch.condition_ids[row]);
    RETURN_IF_ERROR(emit(line));
  }
  return OkStatus();
}

// The condition that a line names; the only one needs no name.
StatusOr<ConditionId> ConditionOf(const World& world, const json& line, const std::string& where) {
  if (world.conditions.size() == 1) return world.conditions.ids()[0];
  const bool named = line.contains("condition") && line["condition"].is_string();
  for (const ConditionId id : world.conditions.ids()) {
    if (named && world.conditions.Content(id) == line["condition"].get<std::string>()) return id;
  }
  return InvalidArgument(where + ": expected one of the " + std::to_string(world.conditions.size()) +
                         " conditions under \"condition\", such as \"" +
                         std::string(world.conditions.Content(world.conditions.ids()[0])) + "\"");
}

// A list of whole numbers as [1, T].
StatusOr<at::Tensor> WholeNumbers(const json& list, const std::string& what) {
  std::vector<int64_t> values;
  for (const json& value : list) {
    if (!value.is_number_integer()) return InvalidArgument(what + " is not a list of whole numbers");
    values.push_back(value.get<int64_t>());
  }
  return at::tensor(values, at::kLong).unsqueeze(0);
}

// [1, T, D]
StatusOr<at::Tensor> Coordinates(const json& list, int64_t width, const std::string& what) {
  std::vector<double> values;
  for (const json& action : list) {
    if (!action.is_array() || static_cast<int64_t>(action.size()) != width)
      return InvalidArgument(what + " is not a list of lists of " + std::to_string(width) + " numbers");
    for (const json& value : action) {
      if (!value.is_number()) return InvalidArgument(what + " holds something else than numbers");
      values.push_back(value.get<double>());
    }
  }
  return at::tensor(values, at::kDouble).view({1, -1, width});
}

// The trajectory that the actions of a line are.
StatusOr<TrajectoryBatch> FromActions(const World& world, ConditionId condition, const json& line, const std::string& where) {
  const EnvironmentSpec& spec = world.environment->Spec();
  const json& actions = line["actions"];
  if (!actions.is_array() || actions.empty() || static_cast<int64_t>(actions.size()) > spec.max_steps) {
    return InvalidArgument(where + ": \"actions\" is not a list of 1 to " + std::to_string(spec.max_steps) + " actions");
  }
  TrajectoryBatch batch;
  batch.condition_ids = {condition};
  const std::string what = where + ": \"actions\"";
  if (spec.action == EnvironmentSpec::Action::kDiscrete) {
    ASSIGN_OR_RETURN(batch.actions_BT, WholeNumbers(actions, what));
    if (batch.actions_BT.lt(0).logical_or(batch.actions_BT.ge(spec.num_actions)).any().item<bool>())
      return InvalidArgument(what + " holds a number that is no action, expected 0 to " + std::to_string(spec.num_actions - 1));
  } else {
    ASSIGN_OR_RETURN(batch.actions_BT, Coordinates(actions, spec.action_width, what));
  }
  batch.lengths_B = at::full({1}, static_cast<int64_t>(actions.size()), at::kLong);
  if (spec.is_stochastic) {
    if (!line.contains("outcomes") || !line["outcomes"].is_array() || line["outcomes"].size() != actions.size())
      return InvalidArgument(where + ": a stochastic world needs \"outcomes\", one for each action");
    ASSIGN_OR_RETURN(batch.outcomes_BT, WholeNumbers(line["outcomes"], where + ": \"outcomes\""));
    const int64_t num_outcomes = world.environment->NumOutcomes();
    if (batch.outcomes_BT.lt(0).logical_or(batch.outcomes_BT.ge(num_outcomes)).any().item<bool>())
      return InvalidArgument(where + ": \"outcomes\" holds a number outside 0 to " + std::to_string(num_outcomes - 1));
  }
  return batch;
}

// Why a trajectory cannot be, as far as nature's draws and the rules say; "": it can.
std::string WhyImpossible(const Environment& environment, TrajectoryBatch& batch) {
  State state = environment.Initial(batch.condition_ids);
  for (int64_t k = 0; k < batch.num_steps() && environment.Spec().is_stochastic; ++k) {
    const at::Tensor action = batch.actions_BT.select(1, k), outcome = batch.outcomes_BT.select(1, k);
    if (state.done_B().all().item<bool>() || !environment.ForwardSupport(state).IsLegal(action).all().item<bool>()) break;
    if (std::isinf(environment.LogOutcomes(state, action).gather(1, outcome.unsqueeze(1)).item<double>())) {
      return "step " + std::to_string(k) + ": nature's outcome " + std::to_string(outcome.item<int64_t>()) +
             " cannot happen in " + environment.Format(state, 0);
    }
    state = environment.Step(state, action, outcome);
  }
  const Status legal = CompleteBatch(environment, batch);
  return legal.ok() ? "" : Message(legal);
}

// A trajectory that P_B draws to the object of this text.
class Finder {
 public:
  Finder(const World& world, const Policy& policy, uint64_t seed) : world_(world), policy_(policy), seed_(seed) {}

  // nullopt: the world has no such object.
  StatusOr<std::optional<TrajectoryBatch>> Find(ConditionId condition, const std::string& text, uint64_t number) {
    auto found = objects_.find(condition.value);
    if (found == objects_.end()) {
      ASSIGN_OR_RETURN(ObjectsByText objects, ObjectsByText::Make(world_, condition));
      found = objects_.emplace(condition.value, std::move(objects)).first;
    }
    const std::optional<int64_t> object = found->second.Find(text);
    if (!object) return std::optional<TrajectoryBatch>();
    ASSIGN_OR_RETURN(
        TrajectoryBatch batch,
        BackwardRollout(*world_.environment, policy_, world_.enumerable->ObjectsAt(at::full({1}, *object, at::kLong), condition),
                        {condition}, {number}, {seed_, RngPurpose::kSample, 0}));
    return std::optional<TrajectoryBatch>(std::move(batch));
  }

 private:
  const World& world_;
  const Policy& policy_;
  uint64_t seed_;
  std::map<uint64_t, ObjectsByText> objects_;
};

}  // namespace

Status SampleWorld(const World& world, const Policy& policy, const SampleRequest& request, const EmitLine& emit) {
  if (!request.method.empty()) return InvalidArgument("--method: is for tasks on a language model");
  if (!request.input.empty()) return InvalidArgument("--input: the samples of a world have no input");
  for (const ConditionId condition : world.conditions.ids()) {
    const RngKey key{request.seed, RngPurpose::kSample, static_cast<uint64_t>(world.conditions.Index(condition))};
    for (int64_t first = 0; first < request.num; first += kRowsAtATime) {
      const int64_t rows = std::min(kRowsAtATime, request.num - first);
      ASSIGN_OR_RETURN(TrajectoryBatch batch,
                       Rollout(*world.environment, policy,
                               RolloutRows({condition}, rows, request.exploration, static_cast<uint64_t>(first)), key));
      ASSIGN_OR_RETURN(const ScoredSamples samples, ScoreSamples(*world.environment, policy, *world.reward, std::move(batch)));
      RETURN_IF_ERROR(EmitSamples(world, samples, emit));
    }
  }
  return OkStatus();
}

Status ScoreWorld(const World& world, const Policy& policy, const ScoreRequest& request, const EmitLine& emit) {
  if (!request.input.empty()) return InvalidArgument("--input: the objects of a world have no input");
  StatusOr<JsonlReader> reader = request.file == "-" ? JsonlReader(std::cin, "standard input") : JsonlReader::Open(request.file);
  RETURN_IF_ERROR(reader.status());
  Finder finder(world, policy, request.seed);
  json line;
  for (uint64_t number = 0;; ++number) {
    ASSIGN_OR_RETURN(const bool more, reader->Next(&line));
    if (!more) return number > 0 ? OkStatus() : InvalidArgument(request.file + ": no lines");
    const std::string where = reader->Where();
    ASSIGN_OR_RETURN(const ConditionId condition, ConditionOf(world, line, where));
    const bool has_text = line.contains("text") && line["text"].is_string();
    std::string outside;
    std::optional<TrajectoryBatch> batch;
    if (line.contains("actions")) {
      ASSIGN_OR_RETURN(batch, FromActions(world, condition, line, where));
      outside = WhyImpossible(*world.environment, *batch);
    } else if (has_text) {
      StatusOr<std::optional<TrajectoryBatch>> found = finder.Find(condition, line["text"].get<std::string>(), number);
      if (!found.ok()) return Annotate(found.status(), where + ": an object without \"actions\"");
      batch = *std::move(found);
      if (!batch) outside = world.environment->Spec().name + " has no such object";
    } else {
      return InvalidArgument(where + ": expected an object: \"actions\" or \"text\"");
    }
    if (!outside.empty()) {
      line["outside"] = outside;
      line["log_pf"] = nullptr;
      RETURN_IF_ERROR(emit(line));
      continue;
    }
    ASSIGN_OR_RETURN(const ScoredSamples samples, ScoreSamples(*world.environment, policy, *world.reward, *std::move(batch)));
    if (has_text) {
      const std::string text = world.environment->Format(FinalStates(*world.environment, samples.batch), 0);
      if (text != line["text"].get<std::string>())
        return InvalidArgument(where + ": \"text\" and \"actions\" are not the same object: the actions lead to \"" + text +
                               "\"");
    }
    RETURN_IF_ERROR(EmitSamples(world, samples, emit));
  }
}

}  // namespace gfn
