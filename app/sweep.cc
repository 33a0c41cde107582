// gfn sweep: runs one after the other, each an ordinary run folder; what is finished is never made again.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "app/app.h"
#include "app/run_metrics.h"
#include "app/sweep_config.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/text_util.h"
#include "report/report.h"

namespace gfn {
namespace {

using nlohmann::json;

constexpr char kResult[] = "sweep_result.json";  // in the folder of a run that is trained and measured

// One combination of values.
struct GridPoint {
  std::vector<std::string> values;                  // of the axes
  std::vector<std::map<std::string, double>> runs;  // the metrics of each seed
};

// A recipe alone is a sweep of one point.
StatusOr<SweepConfig> ReadSweep(const SweepCommand& command) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(command.config));
  SweepConfig config;
  if (text.starts_with("recipe:") || text.find("\nrecipe:") != std::string::npos) {
    ASSIGN_OR_RETURN(config, ReadConfigFile<SweepConfig>(command.config, {}));
  } else {
    ASSIGN_OR_RETURN(const RunConfig recipe, ReadRunConfig(command.config, command.overrides));
    config.recipe = command.config;
    config.name = recipe.name + "_sweep";
  }
  for (const std::string& text : command.grid) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
      return InvalidArgument("--grid " + text + ": expected key=value,value,...");
    const std::string key = text.substr(0, equals);
    std::erase_if(config.grid, [&](const SweepAxis& axis) { return axis.key == key; });
    SweepAxis& axis = config.grid.emplace_back();
    axis.key = key;
    std::istringstream values(text.substr(equals + 1));
    for (std::string value; std::getline(values, value, ',');) axis.values.push_back(value);
  }
  if (command.seeds > 0) config.seeds = command.seeds;
  config.set.insert(config.set.end(), command.overrides.begin(), command.overrides.end());
  RETURN_IF_ERROR(CheckConfig(config, command.config));
  return config;
}

std::vector<GridPoint> PointsOf(const SweepConfig& config) {
  std::vector<GridPoint> points = {{}};
  for (const SweepAxis& axis : config.grid) {
    std::vector<GridPoint> longer;
    for (const GridPoint& point : points) {
      for (const std::string& value : axis.values) {
        longer.push_back(point);
        longer.back().values.push_back(value);
      }
    }
    points = std::move(longer);
  }
  return points;
}

// "learning_rate=0.01_seed_2": the last part of each key, the value, the seed.
std::string FolderName(const SweepConfig& config, const GridPoint& point, int64_t seed) {
  std::string name;
  for (size_t i = 0; i < point.values.size(); ++i) {
    const std::string& key = config.grid[i].key;
    name += key.substr(key.rfind('.') + 1) + "=" + point.values[i] + "_";
  }
  for (char& c : name) {
    if (c == '/' || c == ' ') c = '-';
  }
  return name + "seed_" + std::to_string(seed);
}

json EvaluationOf(const SweepConfig& config) {
  const SweepEvaluation& evaluation = config.evaluation;
  return {{"split", evaluation.split}, {"samples", evaluation.samples}, {"max_conditions", evaluation.max_conditions}};
}

// What a finished run has found, if it is the run that is asked for now.
StatusOr<json> FinishedRun(const SweepConfig& config, const std::vector<std::string>& overrides, const std::string& folder) {
  ASSIGN_OR_RETURN(const RunConfig asked, ReadRunConfig(config.recipe, overrides));
  ASSIGN_OR_RETURN(const RunConfig made, ReadRunConfig(RunPaths{folder}.config()));
  std::vector<std::string> different;
  for (const ConfigDifference& difference : DiffConfigs(made, asked)) {
    if (!difference.may_change) different.push_back(FormatDifference(difference));
  }
  ASSIGN_OR_RETURN(const json result, ReadJsonFile(JoinPath(folder, kResult)));
  if (result.value("evaluation", json()) != EvaluationOf(config)) different.push_back("evaluation");
  if (!different.empty()) {
    return InvalidArgument("it was made with another configuration (" + Join(different, ", ") +
                           "); the sweep needs another --out");
  }
  return result.value("numbers", json());
}

// Trains what is not trained yet and measures it; nothing: a signal has stopped the run, which is saved.
StatusOr<std::optional<json>> RunOne(const SweepConfig& config, const std::vector<std::string>& overrides,
                                     const std::string& folder) {
  const std::string done = JoinPath(folder, kResult);
  if (FileExists(done)) {
    ASSIGN_OR_RETURN(json numbers, FinishedRun(config, overrides, folder));
    return std::optional<json>(std::move(numbers));
  }
  TrainCommand train;
  train.program = "gfn";
  train.config = config.recipe;
  train.overrides = overrides;
  train.out = folder;
  train.resume = IsRunFolder(folder) && FolderExists(RunPaths{folder}.checkpoints());
  ASSIGN_OR_RETURN(const TrainOutcome outcome, TrainRun(train));
  if (!outcome.is_finished) return std::optional<json>();
  ASSIGN_OR_RETURN(const LoadedRun run, LoadRun(folder, WhichCheckpoint::kBest));
  EvalRequest request;
  request.split = config.evaluation.split;
  request.samples = config.evaluation.samples;
  request.max_conditions = config.evaluation.max_conditions;
  request.step = run.step;
  ASSIGN_OR_RETURN(const EvalResult result, run.task->Evaluate(request));
  RETURN_IF_ERROR(WriteEvalRecord(run.paths, result));
  RETURN_IF_ERROR(WriteRunReport(run.paths).status());
  RETURN_IF_ERROR(WriteJsonFile(done, {{"evaluation", EvaluationOf(config)}, {"numbers", result.numbers}}));
  return std::optional<json>(result.numbers);
}

struct SeedSummary {
  double mean = 0, deviation = 0;  // deviation NaN for one run
  int64_t count = 0;
};
SeedSummary Summarise(const GridPoint& point, const std::string& metric) {
  std::vector<double> values;
  for (const auto& run : point.runs) {
    if (const auto found = run.find(metric); found != run.end()) values.push_back(found->second);
  }
  if (values.empty()) return {};
  return {Mean(values), values.size() < 2 ? NAN : std::sqrt(SampleVariance(values)), static_cast<int64_t>(values.size())};
}

std::vector<std::string> MetricNames(const SweepConfig& config, const std::vector<GridPoint>& points) {
  if (!config.metrics.empty()) return config.metrics;
  std::set<std::string> names;
  for (const GridPoint& point : points) {
    for (const auto& run : point.runs) {
      for (const auto& [name, value] : run) names.insert(name);
    }
  }
  return {names.begin(), names.end()};
}

report::Table TableOf(const SweepConfig& config, const std::vector<GridPoint>& points, const std::vector<std::string>& metrics) {
  report::Table table;
  table.title = config.recipe + ", " + std::to_string(config.seeds) + " seeds a point, means ± deviations between seeds";
  for (const SweepAxis& axis : config.grid) table.columns.push_back({.name = axis.key});
  for (const std::string& metric : metrics) table.columns.push_back({.name = metric, .decimals = 3});
  for (const GridPoint& point : points) {
    std::vector<report::Cell> row(point.values.begin(), point.values.end());
    for (const std::string& metric : metrics) {
      const SeedSummary summary = Summarise(point, metric);
      if (summary.count == 0) {
        row.push_back(std::string("-"));
      } else if (summary.count == 1) {
        row.push_back(summary.mean);
      } else {
        row.push_back(Interval{summary.mean, summary.mean - summary.deviation, summary.mean + summary.deviation, summary.count});
      }
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

json SweepToJson(const SweepConfig& config, const std::vector<GridPoint>& points, const std::vector<std::string>& metrics) {
  json list = json::array();
  for (const GridPoint& point : points) {
    json entry = {{"values", json::object()}, {"runs", point.runs}};
    for (size_t i = 0; i < point.values.size(); ++i) entry["values"][config.grid[i].key] = point.values[i];
    for (const std::string& metric : metrics) {
      const SeedSummary summary = Summarise(point, metric);
      entry["metrics"][metric] = {
          {"mean", FiniteOrNull(summary.mean)}, {"deviation", FiniteOrNull(summary.deviation)}, {"count", summary.count}};
    }
    list.push_back(std::move(entry));
  }
  return {{"recipe", config.recipe}, {"seeds", config.seeds}, {"points", list}};
}

std::optional<double> NumberOf(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != 0 || !std::isfinite(value)) return std::nullopt;
  return value;
}

// A metric along the last axis whose values are numbers, a line for each combination of the others.
std::optional<report::Figure> FigureOf(const SweepConfig& config, const std::vector<GridPoint>& points,
                                       const std::string& metric) {
  size_t along = config.grid.size();
  for (size_t i = 0; i < config.grid.size(); ++i) {
    if (std::ranges::all_of(config.grid[i].values, [](const std::string& text) { return NumberOf(text).has_value(); })) along = i;
  }
  if (along == config.grid.size() || config.grid[along].values.size() < 2) return std::nullopt;
  std::map<std::string, report::LineSeries> lines;
  std::vector<std::string> order;
  double least = INFINITY, most = -INFINITY;
  for (const GridPoint& point : points) {
    const SeedSummary summary = Summarise(point, metric);
    if (summary.count == 0) continue;
    std::string name;
    for (size_t i = 0; i < point.values.size(); ++i) {
      if (i != along) name += (name.empty() ? "" : ", ") + config.grid[i].key + " " + point.values[i];
    }
    if (!lines.contains(name)) order.push_back(name);
    report::LineSeries& line = lines[name];
    line.name = name.empty() ? metric : name;
    const double x = *NumberOf(point.values[along]);
    line.x.push_back(x);
    line.y.push_back(summary.mean);
    least = std::min(least, x);
    most = std::max(most, x);
  }
  report::LineChart chart;
  chart.x.label = config.grid[along].key;
  chart.x.log_scale = least > 0 && most / least > 20;
  chart.y.label = metric;
  for (const std::string& name : order) chart.series.push_back(std::move(lines[name]));
  return report::Figure{.title = metric, .chart = std::move(chart), .how_to_read = "Means over seeds.", .half_width = true};
}

}  // namespace

Status RunSweep(const SweepCommand& command) {
  ASSIGN_OR_RETURN(const SweepConfig config, ReadSweep(command));
  const std::string out = command.out.empty() ? JoinPath("runs", config.name) : command.out;
  std::vector<GridPoint> points = PointsOf(config);
  const auto overrides_of = [&](const GridPoint& point, int64_t seed) {
    std::vector<std::string> overrides = config.set;
    for (size_t i = 0; i < point.values.size(); ++i) overrides.push_back(config.grid[i].key + "=" + point.values[i]);
    overrides.push_back("seed=" + std::to_string(seed));
    return overrides;
  };
  // Every run is looked at before the first is trained: a mistake shows now, not after hours.
  for (const GridPoint& point : points)
    RETURN_IF_ERROR(ReadRunConfig(config.recipe, overrides_of(point, config.first_seed)).status());
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) return FailedPrecondition(out + ": " + error.message());
  RETURN_IF_ERROR(WriteFileAtomic(JoinPath(out, "sweep.yaml"), WriteConfig(config)));

  const size_t num_runs = points.size() * static_cast<size_t>(config.seeds);
  size_t number = 0;
  for (GridPoint& point : points) {
    for (int64_t seed = config.first_seed; seed < config.first_seed + config.seeds; ++seed) {
      const std::string folder = JoinPath(out, FolderName(config, point, seed));
      Log("run " + std::to_string(++number) + " of " + std::to_string(num_runs) + ": " + folder);
      const auto numbers = RunOne(config, overrides_of(point, seed), folder);
      if (!numbers.ok()) return Annotate(numbers.status(), folder);
      if (!numbers->has_value()) {
        Log("the sweep has stopped; the same command goes on with it");
        return OkStatus();
      }
      point.runs.push_back(MetricsOfEvaluation(**numbers));
    }
  }
  const std::vector<std::string> metrics = MetricNames(config, points);
  const report::Table table = TableOf(config, points, metrics);
  RETURN_IF_ERROR(WriteJsonFile(JoinPath(out, "sweep.json"), SweepToJson(config, points, metrics)));
  report::Report page;
  page.title = config.name;
  page.subtitle = "Runs of " + config.recipe + " that differ in some keys and in their seeds";
  report::Section section;
  section.title = "Results";
  section.blocks.push_back(table);
  for (const std::string& metric : metrics) {
    if (auto figure = FigureOf(config, points, metric)) section.blocks.push_back(*std::move(figure));
  }
  page.sections.push_back(std::move(section));
  page.sections.push_back({"Settings", {report::Preformatted{"sweep.yaml", WriteConfig(config), true}}});
  RETURN_IF_ERROR(report::WriteReport(page, JoinPath(out, "sweep.html")));
  std::cout << report::FormatTable(table);
  Log("table in " + JoinPath(out, "sweep.json") + " and " + JoinPath(out, "sweep.html"));
  return OkStatus();
}

}  // namespace gfn
