#include <iostream>
#include <nlohmann/json.hpp>

#include "app/app.h"
#include "app/evaluation.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"

namespace gfn {
namespace {

StatusOr<std::string> DataOf(const EvalCommand& command, const InfillData& data) {
  if (!command.data.empty()) return command.data;
  const std::string path = command.split == "test" ? data.test : command.split == "validation" ? data.validation : command.split == "train" ? data.train : "?";
  if (path == "?") return InvalidArgument("unknown split '" + command.split + "'; known splits: train, validation, test");
  if (path.empty()) return InvalidArgument("the run's configuration has no " + command.split + " data; give --data FILE");
  return path;
}

void PrintCard(const report::SampleCard& card) {
  std::cout << "\n" << card.before << "\n   [hidden: " << card.hidden << "]\n" << card.after << "\n";
  for (const report::SampleColumn& column : card.columns) {
    std::cout << "  " << column.name << " (log R - log q)\n";
    for (const report::Sample& sample : column.samples) {
      std::cout << "    " << report::FormatFixed(sample.log_reward - sample.log_q, 1) << "  " << sample.text << "\n";
    }
  }
}

}  // namespace

Status Eval(const EvalCommand& command) {
  if (command.checkpoint != "best" && command.checkpoint != "last") {
    return InvalidArgument("unknown checkpoint '" + command.checkpoint + "'; known: best, last");
  }
  ASSIGN_OR_RETURN(LoadedRun run, LoadRun(command.run, command.checkpoint == "best" ? WhichCheckpoint::kBest : WhichCheckpoint::kLast));
  const InfillConfig& task = std::get<InfillConfig>(run.parts->config.task);
  ASSIGN_OR_RETURN(const std::string data, DataOf(command, task.data));
  const int64_t samples = command.samples > 0 ? command.samples : run.parts->config.evaluation.samples;
  Log("evaluating step " + std::to_string(run.step) + " on " + data);
  ASSIGN_OR_RETURN(const EvaluationResult result, EvaluateSamplers(*run.parts, data, samples, command.max_conditions));
  std::cout << report::FormatTable(EvaluationTable(result));
  for (const report::SampleCard& card : SampleCards(*run.parts, result, static_cast<size_t>(std::max<int64_t>(0, command.show)), 4)) PrintCard(card);
  nlohmann::json json = EvaluationToJson(result);
  json["step"] = run.step;
  json["data"] = data;
  if (!command.json.empty()) RETURN_IF_ERROR(WriteJsonFile(command.json, json));
  // What the report shows: the numbers, and a few samples of each.
  nlohmann::json cards = nlohmann::json::array();
  for (const report::SampleCard& card : SampleCards(*run.parts, result, 6, 5)) {
    nlohmann::json columns = nlohmann::json::array();
    for (const report::SampleColumn& column : card.columns) {
      nlohmann::json list = nlohmann::json::array();
      for (const report::Sample& sample : column.samples) list.push_back({{"text", sample.text}, {"log_q", sample.log_q}, {"log_reward", sample.log_reward}});
      columns.push_back({{"name", column.name}, {"samples", list}});
    }
    cards.push_back({{"title", card.title}, {"before", card.before}, {"hidden", card.hidden}, {"after", card.after}, {"columns", columns}});
  }
  json["cards"] = cards;
  // Per example, for the calibration pictures.
  for (const SamplerResult& sampler : result.samplers) {
    for (const ConditionSamples& condition : sampler.conditions) {
      nlohmann::json points = nlohmann::json::array();
      for (const SampledText& sample : condition.samples) points.push_back({sample.log_q, sample.log_reward});
      json["points"][sampler.name].push_back(points);
    }
    json["per_example"][sampler.name] = sampler.metrics;
  }
  const std::string split = command.data.empty() ? command.split : "data";
  return WriteJsonFile(JoinPath(run.paths.root, "eval_" + split + ".json"), json);
}

}  // namespace gfn
