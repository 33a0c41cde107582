#include <iostream>
#include <nlohmann/json.hpp>

#include "app/app.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/estimate/quantities.h"
#include "report/table.h"

namespace gfn {
namespace {

// A request as the C++ call takes it.
StatusOr<EstimandRequest> ToRequest(const EstimateCommand& command, const TaskSampler& sampler) {
  if (command.samples < 2) return InvalidArgument("--samples is " + std::to_string(command.samples) + ", expected at least 2");
  if (command.backward < 1) return InvalidArgument("--backward is " + std::to_string(command.backward) + ", expected at least 1");
  if (!(command.confidence > 0 && command.confidence < 1)) {
    return InvalidArgument("--confidence is " + std::to_string(command.confidence) + ", expected a number between 0 and 1");
  }
  EstimandRequest request;
  request.path = command.after;
  if (!command.places.empty()) request.places = command.places;
  request.conditions = sampler.conditions->ids();
  request.num_backward = command.backward;
  request.options.num_samples = command.samples;
  request.options.confidence = command.confidence;
  request.options.key = {static_cast<uint64_t>(command.seed), RngPurpose::kEval, 0};
  return request;
}

nlohmann::json ToJson(const Quantity& quantity) {
  nlohmann::json json = {{"name", quantity.name},
                         {"mean", FiniteOrNull(quantity.estimate.mean)},
                         {"interval", {FiniteOrNull(quantity.estimate.low), FiniteOrNull(quantity.estimate.high)}},
                         {"num_samples", quantity.estimate.num_values}};
  if (quantity.exact.has_value()) {
    json["exact"] = FiniteOrNull(*quantity.exact);
    json["misses_exact"] = quantity.misses_exact;
  }
  if (quantity.ess.has_value()) json["ess"] = FiniteOrNull(*quantity.ess);
  if (quantity.distinct.has_value()) json["distinct_objects"] = *quantity.distinct;
  if (quantity.of_target.has_value()) json["exact_of_target"] = FiniteOrNull(*quantity.of_target);
  json["warnings"] = quantity.warnings;
  return json;
}

std::string_view Verdict(const Quantity& quantity) {
  if (quantity.misses_exact) return "misses exact";
  if (!quantity.warnings.empty()) return "see below";
  return quantity.exact.has_value() ? "ok" : "";
}

report::Table ToTable(const std::vector<Quantity>& quantities, const EstimateCommand& command) {
  report::Table table;
  table.columns = {{.name = "quantity"}, {.name = "estimate", .decimals = 4}, {.name = "exact", .decimals = 4},
                   {.name = "interval"}, {.name = "ESS", .decimals = 0},      {.name = "objects", .decimals = 0}};
  for (const Quantity& quantity : quantities) {
    std::vector<report::Cell> row(table.columns.size());
    row[0] = quantity.name;
    row[1] = quantity.estimate;
    if (quantity.exact.has_value()) row[2] = *quantity.exact;
    row[3] = std::string(Verdict(quantity));
    if (quantity.ess.has_value()) row[4] = *quantity.ess;
    if (quantity.distinct.has_value()) row[5] = static_cast<double>(*quantity.distinct);
    table.rows.push_back(std::move(row));
  }
  table.note = std::to_string(command.samples) + " samples, intervals of " + report::FormatFixed(100 * command.confidence, 0) +
               " %, nats; objects: distinct ones among the samples";
  return table;
}

// What the table says in a word or two, one line each.
std::string Warnings(const std::vector<Quantity>& quantities) {
  std::string text;
  for (const Quantity& quantity : quantities) {
    for (const std::string& warning : quantity.warnings) text += "warning: " + quantity.name + " " + warning + "\n";
  }
  return text;
}

Sampler SamplerOf(const LoadedRun& run, size_t condition) {
  const TaskSampler parts = run.task->sampler();
  Sampler sampler{.environment = parts.environment, .policy = parts.policy, .reward = parts.reward};
  sampler.condition = parts.conditions->ids()[condition];
  sampler.temperature = run.config.train.trainer.reward_temperature.end;
  return sampler;
}

}  // namespace

Status Estimate(const EstimateCommand& command) {
  std::vector<Estimand> wanted;
  for (const std::string& name : command.what) {
    const auto what = ParseEnum<Estimand>(name);
    if (!what.ok()) return Annotate(what.status(), "--what");
    wanted.push_back(*what);
  }
  if (!command.json.empty()) RETURN_IF_ERROR(AtomicFile::Create(command.json).status());  // before the work, not after it
  ASSIGN_OR_RETURN(const LoadedRun run, LoadRun(command.run, WhichCheckpoint::kBest));
  const TaskSampler parts = run.task->sampler();
  ASSIGN_OR_RETURN(EstimandRequest request, ToRequest(command, parts));
  if (parts.conditions->size() == 0) {
    return InvalidArgument(
        command.run + ": gfn estimate answers for worlds. Of a task of kind " + TaskKind(run.config) +
        " the conditions are the examples of its data files: gfn eval RUN --split test gives the bounds of each "
        "one's log Z (elbo, iw_bound) and the spread of its weights. Flows of prefixes, free energies, entropies "
        "and marginals are not estimated there (docs/estimators.md, \"Language models\")");
  }
  if (command.condition < 0 || command.condition >= parts.conditions->size()) {
    return InvalidArgument("--condition is " + std::to_string(command.condition) + ", expected one of 0 .. " +
                           std::to_string(parts.conditions->size() - 1));
  }
  const Sampler sampler = SamplerOf(run, static_cast<size_t>(command.condition));
  LoadedRun second;
  if (!command.second.empty()) {
    ASSIGN_OR_RETURN(second, LoadRun(command.second, WhichCheckpoint::kBest));
    if (static_cast<int64_t>(second.task->sampler().conditions->size()) <= command.condition) {
      return InvalidArgument("--second " + command.second + ": has no condition " + std::to_string(command.condition));
    }
    request.second = SamplerOf(second, static_cast<size_t>(command.condition));
  }
  ASSIGN_OR_RETURN(const std::vector<Quantity> all, Estimate(wanted, sampler, request));
  std::cout << report::FormatTable(ToTable(all, command)) << Warnings(all);
  if (command.json.empty()) return OkStatus();
  nlohmann::json json = {{"step", run.step},
                         {"condition", sampler.condition.ToString()},
                         {"after", command.after},
                         {"temperature", sampler.temperature},
                         {"confidence", command.confidence},
                         {"quantities", nlohmann::json::array()}};
  for (const Quantity& quantity : all) json["quantities"].push_back(ToJson(quantity));
  return WriteJsonFile(command.json, json);
}

}  // namespace gfn
