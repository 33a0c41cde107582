// gfn compare: several runs on one page: what they were told differently, their curves, their evaluations, their samples.
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include "app/app.h"
#include "app/run_metrics.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/train/metrics.h"
#include "report/report.h"
#include "tasks/task/curves.h"

namespace gfn {
namespace {

using nlohmann::json;

struct ComparedRun {
  std::string name;  // its folder, as it was given
  std::map<std::string, std::string> settings;
  std::vector<MetricsLine> lines;
  std::map<int64_t, double> seconds;  // of training until each step
  std::map<std::string, json> evaluations;
};

StatusOr<ComparedRun> ReadComparedRun(const std::string& folder) {
  if (!IsRunFolder(folder)) return NotFound(folder + ": not a run folder (resolved.yaml is missing)");
  const RunPaths paths{folder};
  ComparedRun run;
  run.name = folder;
  ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfig(paths.config()));
  for (const ConfigEntry& entry : FlattenConfig(config)) run.settings[entry.path] = entry.value;
  ASSIGN_OR_RETURN(RunRecord record, ReadRunRecord(paths));
  run.lines = std::move(record.lines);
  run.evaluations = std::move(record.evaluations);
  // The clock is not part of a run's numbers; one that lost it is compared by steps alone.
  if (FileExists(paths.timing())) {
    ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(paths.timing()));
    json line;
    double sum = 0;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
      if (!more) break;
      sum += line.value("seconds", 0.0);
      run.seconds[line.value("step", int64_t{0})] = sum;
    }
  }
  return run;
}

report::Table DifferentSettings(const std::vector<ComparedRun>& runs) {
  std::set<std::string> keys;
  for (const ComparedRun& run : runs) {
    for (const auto& [key, value] : run.settings) keys.insert(key);
  }
  report::Table table;
  table.title = "Keys that differ";
  table.columns.push_back({.name = "key"});
  for (const ComparedRun& run : runs) table.columns.push_back({.name = run.name, .max_width = 40});
  const auto value_of = [](const ComparedRun& run, const std::string& key) {
    const auto found = run.settings.find(key);
    return found == run.settings.end() ? std::string("-") : found->second;
  };
  for (const std::string& key : keys) {
    std::vector<report::Cell> row = {key};
    std::set<std::string> values;
    for (const ComparedRun& run : runs) {
      values.insert(value_of(run, key));
      row.push_back(value_of(run, key));
    }
    if (values.size() > 1) table.rows.push_back(std::move(row));
  }
  return table;
}

// Every metric that two runs have, by step, and once more by seconds.
report::Section Curves(const std::vector<ComparedRun>& runs) {
  std::map<std::pair<std::string, std::string>, int64_t> count;  // kind, metric
  for (const ComparedRun& run : runs) {
    std::set<std::pair<std::string, std::string>> of_run;
    for (const MetricsLine& line : run.lines) {
      for (const auto& [metric, value] : line.metrics.values()) of_run.insert({line.kind, metric});
    }
    for (const auto& key : of_run) ++count[key];
  }
  report::Section section;
  section.title = "Curves";
  for (const auto& [key, num_runs] : count) {
    if (num_runs < std::min<int64_t>(2, static_cast<int64_t>(runs.size()))) continue;
    const auto& [kind, metric] = key;
    std::vector<report::LineSeries> by_step, by_seconds;
    for (const ComparedRun& run : runs) {
      report::LineSeries series = Series(run.lines, kind, metric, run.name, report::Hue::kAuto, kind == "train" ? 0.9 : 0);
      report::LineSeries timed = series;
      timed.x.clear();
      timed.y.clear();
      for (size_t i = 0; i < series.x.size(); ++i) {
        const auto clock = run.seconds.find(static_cast<int64_t>(series.x[i]));
        if (clock == run.seconds.end()) continue;
        timed.x.push_back(clock->second);
        timed.y.push_back(series.y[i]);
      }
      by_step.push_back(std::move(series));
      by_seconds.push_back(std::move(timed));
    }
    section.blocks.push_back(Curve(kind + " " + metric, metric, std::move(by_step), ""));
    report::Figure figure = Curve(kind + " " + metric + " by time", metric, std::move(by_seconds), "");
    std::get<report::LineChart>(figure.chart).x.label = "seconds of training and evaluation";
    section.blocks.push_back(std::move(figure));
  }
  return section;
}

// One table for each evaluation that two runs have.
std::vector<report::Table> Evaluations(const std::vector<ComparedRun>& runs) {
  std::map<std::string, int64_t> count;
  for (const ComparedRun& run : runs) {
    for (const auto& [name, record] : run.evaluations) ++count[name];
  }
  std::vector<report::Table> tables;
  for (const auto& [name, num_runs] : count) {
    std::set<std::string> metrics;
    std::vector<std::map<std::string, double>> of_run;
    for (const ComparedRun& run : runs) {
      const auto found = run.evaluations.find(name);
      of_run.push_back(found == run.evaluations.end() ? std::map<std::string, double>() : MetricsOfEvaluation(found->second));
      for (const auto& [metric, value] : of_run.back()) metrics.insert(metric);
    }
    report::Table& table = tables.emplace_back();
    table.title = "Evaluation " + name + " of the trained samplers";
    table.columns.push_back({.name = "metric"});
    for (const ComparedRun& run : runs) table.columns.push_back({.name = run.name, .decimals = 3});
    for (const std::string& metric : metrics) {
      std::vector<report::Cell> row = {metric};
      for (const auto& values : of_run) {
        const auto found = values.find(metric);
        row.push_back(found == values.end() ? report::Cell(std::string("-")) : report::Cell(found->second));
      }
      table.rows.push_back(std::move(row));
    }
  }
  return tables;
}

// Examples that several runs show, with the trained sampler's samples of each.
report::Section Samples(const std::vector<ComparedRun>& runs) {
  report::Section section;
  section.title = "Samples side by side";
  std::map<std::string, report::SampleCard> cards;
  std::vector<std::string> order;
  for (const ComparedRun& run : runs) {
    for (const auto& [name, record] : run.evaluations) {
      for (const json& card : record.value("cards", json::array())) {
        const std::string title = card.value("title", ""), key = name + " " + title + card.value("before", "");
        if (!cards.contains(key)) {
          order.push_back(key);
          cards[key] = {.title = title,
                        .before = card.value("before", ""),
                        .hidden = card.value("hidden", ""),
                        .after = card.value("after", "")};
        }
        for (const json& column : card.value("columns", json::array())) {
          if (column.value("name", "") != "trained") continue;
          report::SampleColumn& samples = cards[key].columns.emplace_back();
          samples.name = run.name;
          for (const json& sample : column.value("samples", json::array()))
            samples.samples.push_back({sample.value("text", ""), sample.value("log_q", 0.0), sample.value("log_reward", 0.0)});
        }
      }
    }
  }
  for (const std::string& key : order) {
    if (cards[key].columns.size() > 1) section.blocks.push_back(std::move(cards[key]));
  }
  return section;
}

}  // namespace

Status Compare(const CompareCommand& command) {
  std::vector<ComparedRun> runs;
  for (const std::string& folder : command.runs) {
    ASSIGN_OR_RETURN(ComparedRun run, ReadComparedRun(folder));
    runs.push_back(std::move(run));
  }
  const report::Table settings = DifferentSettings(runs);
  const std::vector<report::Table> evaluations = Evaluations(runs);
  report::Report page;
  page.title = "Comparison of " + std::to_string(runs.size()) + " runs";
  page.sections.push_back({"What differs", {settings}});
  report::Section measured;
  measured.title = "Evaluations";
  for (const report::Table& table : evaluations) measured.blocks.push_back(table);
  if (!measured.blocks.empty()) page.sections.push_back(std::move(measured));
  for (report::Section& section : std::vector<report::Section>{Samples(runs), Curves(runs)}) {
    if (!section.blocks.empty()) page.sections.push_back(std::move(section));
  }
  RETURN_IF_ERROR(report::WriteReport(page, command.out));
  std::cout << report::FormatTable(settings);
  for (const report::Table& table : evaluations) std::cout << "\n" << report::FormatTable(table);
  Log("page in " + command.out);
  return OkStatus();
}

}  // namespace gfn
