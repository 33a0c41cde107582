// Cost of the infilling step against one of its sizes: a table, and a plot on request.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/bench.h"
#include "gflownet/base/interval.h"
#include "gflownet/base/json_util.h"
#include "report/report.h"

namespace gfn {
namespace {

// The sizes of a sweep, ascending, around the step's own; which field they set.
struct Sweep {
  const char* name;
  int64_t BenchCommand::*field;
  std::vector<double> factors;
};

StatusOr<Sweep> FindSweep(const std::string& name) {
  const std::vector<Sweep> sweeps = {{"batch", &BenchCommand::batch, {0.25, 0.5, 1, 2}},
                                     {"prompts", &BenchCommand::prompts, {1, 2, 4}},
                                     {"prompt-tokens", &BenchCommand::prompt_tokens, {0.5, 1, 2, 4}},
                                     {"suffix-tokens", &BenchCommand::suffix_tokens, {0.5, 1, 2, 4}},
                                     {"max-len", &BenchCommand::max_len, {0.25, 0.5, 1, 2}}};
  std::string known;
  for (const Sweep& sweep : sweeps) {
    if (name == sweep.name) return sweep;
    known += (known.empty() ? "" : ", ") + std::string(sweep.name);
  }
  return InvalidArgument("unknown sweep '" + name + "'; known: " + known);
}

// Least squares y = intercept + slope x, and how far the farthest point is from it, relative to its own y.
struct Line {
  double intercept = 0, slope = 0, worst = 0;
};
Line FitLine(const std::vector<double>& x, const std::vector<double>& y) {
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  const double n = static_cast<double>(x.size());
  for (size_t i = 0; i < x.size(); ++i) mean_x += x[i] / n, mean_y += y[i] / n;
  for (size_t i = 0; i < x.size(); ++i) xx += (x[i] - mean_x) * (x[i] - mean_x), xy += (x[i] - mean_x) * (y[i] - mean_y);
  Line line;
  line.slope = xx > 0 ? xy / xx : 0;
  line.intercept = mean_y - line.slope * mean_x;
  for (size_t i = 0; i < x.size(); ++i)
    line.worst = std::max(line.worst, std::abs(line.intercept + line.slope * x[i] - y[i]) / y[i]);
  return line;
}

}  // namespace

Status BenchSweep(const BenchCommand& command) {
  ASSIGN_OR_RETURN(const Sweep sweep, FindSweep(command.sweep));
  report::Table table;
  table.title = "one infilling step against " + command.sweep + ", " + command.dtype + ", prefix sharing " +
                (command.share_prefixes ? "on" : "off");
  table.columns = {{.name = command.sweep, .decimals = 0},
                   {.name = "seconds"},
                   {.name = "ms a rollout", .decimals = 1},
                   {.name = "positions", .decimals = 0},
                   {.name = "us a position", .decimals = 1},
                   {.name = "sample"},
                   {.name = "reward"},
                   {.name = "score"},
                   {.name = "backward"},
                   {.name = "peak MiB", .decimals = 0}};
  report::LineChart chart;
  chart.x = report::Axis(command.sweep, false, 0.0);
  chart.y = report::Axis("seconds of a step", false, 0.0);
  for (const char* name : {"total", "sample", "reward", "score", "backward"}) chart.series.emplace_back().name = name;
  nlohmann::json json = {{"sweep", command.sweep}, {"dtype", command.dtype}, {"points", nlohmann::json::array()}};
  std::vector<double> sizes, seconds;
  std::string device;
  for (const double factor : sweep.factors) {
    BenchCommand point = command;
    point.*sweep.field = std::max<int64_t>(1, std::llround(factor * static_cast<double>(command.*sweep.field)));
    if (!sizes.empty() && sizes.back() >= static_cast<double>(point.*sweep.field)) continue;  // small sizes can coincide
    ASSIGN_OR_RETURN(const InfillStep step, MeasureInfillStep(point));
    device = step.device;
    const double size = static_cast<double>(point.*sweep.field), total = Quantile(step.totals, 0.5);
    const double rollouts = static_cast<double>(point.prompts * point.batch);
    sizes.push_back(size);
    seconds.push_back(total);
    double positions = 0;
    std::vector<double> phases;
    for (const PhaseResult& phase : step.phases) {
      phases.push_back(Quantile(phase.seconds, 0.5));
      if (phase.name != "backward") positions += phase.positions;
    }
    table.rows.push_back({size, total, 1e3 * total / rollouts, positions, 1e6 * total / positions, phases[0], phases[1],
                          phases[2], phases[3], static_cast<double>(step.peak_rss_bytes >> 20)});
    json["points"].push_back({{"size", size},
                              {"total_seconds", total},
                              {"rollouts", rollouts},
                              {"positions", positions},
                              {"sample", phases[0]},
                              {"reward", phases[1]},
                              {"score", phases[2]},
                              {"backward", phases[3]},
                              {"peak_rss_mib", step.peak_rss_bytes >> 20}});
    for (size_t s = 0; s < chart.series.size(); ++s) {
      chart.series[s].x.push_back(size);
      chart.series[s].y.push_back(s == 0 ? total : phases[s - 1]);
    }
  }
  const Line line = FitLine(sizes, seconds);
  json["line"] = {{"intercept", line.intercept}, {"slope", line.slope}, {"worst_relative_error", line.worst}};
  table.note = "seconds = " + report::FormatFixed(line.intercept, 2) + " + " + report::FormatFixed(line.slope, 4) +
               " x size, off by " + report::FormatFixed(100 * line.worst, 1) + " % at most; " + device;
  std::cout << report::FormatTable(table);
  if (!command.page.empty()) {
    report::Report page;
    page.title = "Cost of an infilling step against " + command.sweep;
    page.subtitle = device;
    report::Figure figure;
    figure.title = "Seconds of a step";
    figure.chart = chart;
    figure.how_to_read =
        "A straight line is cost in proportion to size; where it starts above zero, that is the part that does not grow.";
    page.sections.push_back({"Measured", {figure, table}});
    RETURN_IF_ERROR(report::WriteReport(page, command.page));
  }
  return command.json.empty() ? OkStatus() : WriteJsonFile(command.json, json);
}

}  // namespace gfn
