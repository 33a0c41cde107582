#include "tasks/world/world_report.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/text_util.h"
#include "tasks/task/curves.h"
#include "tasks/world/learner_figures.h"

namespace gfn {
namespace {

using nlohmann::json;

struct MetricName {
  const char* key;
  const char* title;
  const char* meaning;
  bool is_mean = true;  // over the conditions
};
constexpr MetricName kMetrics[] = {
    {"log_likelihood", "log-likelihood", "mean over the data, nats", false},
    {"true_log_likelihood", "of the truth", "log-likelihood of the parameters that made the data", false},
    {"nll", "NLL", "of the test images, nats: importance bound from above", false},
    {"elbo_nll", "NLL by the ELBO", "of the test images, nats", false},
    {"posterior_tv", "posterior TV", "1/2 sum |q(z | x) - p(z | x)|, exact, mean over all data", false},
    {"coupling_error", "coupling error", "root mean square of learned less true couplings", false},
    {"total_variation", "total variation", "1/2 sum |q - p| over all objects, exact"},
    {"jensen_shannon", "Jensen-Shannon", "nats, exact"},
    {"kl", "KL(q || p)", "nats, exact"},
    {"log_z_error", "log Z error", "|learned - true|"},
    {"correlation", "correlation", "of log q and log R"},
    {"log_ratio_variance", "Var(log R - log q)", "under q, exact"},
    {"elbo", "ELBO", "mean log R + log P_B - log P_F <= log Z"},
    {"iw_bound", "IW bound", "log mean R P_B / P_F <= log Z in expectation"},
    {"exact_log_z", "log Z", "exact"},
    {"ess", "ESS", "of the samples' importance weights"},
    {"spread", "spread", "standard deviation of log R + log P_B - log P_F; 0 is perfect"},
    {"log_reward", "E log R", "of the samples"},
    {"length", "length", "actions of a trajectory"},
    {"distinct", "distinct", "objects among the samples"},
    {"modes", "modes", "found by the samples"},
    {"hypervolume", "hypervolume", "dominated by the samples of all preferences, of what the true front dominates", false},
    {"front_distance", "IGD", "mean distance of the true front's points from the nearest sample", false},
    {"top_log_reward", "top-k log R", "mean of the best distinct samples"},
    {"top_diversity", "top-k diversity", "mean number of features in which they differ"}};

// ", mean over 5 conditions"; of one condition nothing.
std::string OfConditions(int64_t num_conditions) {
  return num_conditions > 1 ? ", mean over " + std::to_string(num_conditions) + " conditions" : "";
}

report::Table MetricsTable(const std::function<const double*(const char*)>& find, const std::string& title,
                           int64_t num_conditions) {
  report::Table table;
  table.title = title;
  table.columns = {{.name = "metric"}, {.name = "value"}, {.name = "meaning"}};
  for (const MetricName& metric : kMetrics) {
    if (const double* value = find(metric.key); value != nullptr)
      table.rows.push_back(
          {metric.title, FormatShort(*value), metric.meaning + (metric.is_mean ? OfConditions(num_conditions) : std::string())});
  }
  return table;
}

}  // namespace

report::Table WorldTable(const World& world, const StepMetrics& metrics, const WorldMeasurement& measurement) {
  return MetricsTable([&](const char* key) { return metrics.Find(key); },
                      world.environment->Spec().name + ", " + std::to_string(measurement.sampled[0].samples.batch.size()) +
                          " samples" + (world.conditions.size() > 1 ? " of each condition" : ""),
                      static_cast<int64_t>(world.conditions.size()));
}

namespace {

using report::Hue;

double Number(const json& value) { return value.is_number() ? value.get<double>() : NAN; }

// What JSON could not write (not finite) is null.
std::vector<double> Numbers(const json& list) {
  std::vector<double> numbers;
  for (const json& value : list) numbers.push_back(Number(value));
  return numbers;
}

// Behind a title: which condition it is of, where there are several.
std::string OfOne(const json& picture) {
  return picture.contains("condition") ? ", " + picture["condition"].get<std::string>() : "";
}

report::Figure GridFigure(const json& picture) {
  const json& grid = picture["grid"];
  report::HeatMap map;
  map.num_rows = grid["rows"].get<int64_t>();
  map.num_columns = grid["columns"].get<int64_t>();
  map.x.label = "second coordinate";
  map.y.label = "first coordinate";
  map.panels = {{"target", Numbers(grid["true"])}, {"learned", Numbers(grid["learned"])}};
  report::Figure figure;
  figure.title = "Probability of every object" + OfOne(picture);
  figure.chart = std::move(map);
  figure.half_width = picture.contains("condition");
  figure.how_to_read =
      "One cell an object (of a continuous world a small square), both pictures on one scale. The learned distribution is "
      "computed over all trajectories, not sampled; "
      "a perfect sampler's picture is the target's.";
  return figure;
}

report::Figure BarsFigure(const json& picture) {
  const json& bars = picture["bars"];
  report::BarChart chart;
  chart.x.label = "probability";
  report::BarGroup truth, learned;
  truth.name = "target";
  truth.hue = Hue::kGrey;
  learned.name = "learned";
  learned.hue = Hue::kBlue;
  for (size_t i = 0; i < bars["names"].size(); ++i) {
    chart.categories.push_back(bars["names"][i].get<std::string>());
    truth.values.push_back({Number(bars["true"][i]), -INFINITY, INFINITY, 1});
    learned.values.push_back({Number(bars["learned"][i]), -INFINITY, INFINITY, 1});
  }
  chart.groups = {std::move(truth), std::move(learned)};
  report::Figure figure;
  figure.title = "The likeliest objects" + OfOne(picture);
  figure.chart = std::move(chart);
  figure.how_to_read =
      std::to_string(bars["names"].size()) + " of " + std::to_string(bars["objects"].get<int64_t>()) +
      " objects, those with the largest reward first. The learned probabilities are computed over all trajectories, not sampled.";
  return figure;
}

report::ScatterSeries Points(const std::string& name, Hue hue, std::vector<double> x, std::vector<double> y) {
  report::ScatterSeries series;
  series.name = name;
  series.hue = hue;
  series.x = std::move(x);
  series.y = std::move(y);
  return series;
}

report::Figure CalibrationFigure(const json& calibration) {
  const bool exact = calibration["exact"].get<bool>(), shifted = calibration.value("less_log_z", false);
  report::ScatterChart chart;
  chart.x.label = exact ? "log q(x), learned" : "log P_F - log P_B of a sample";
  chart.y.label = shifted ? "log R(x) / T - log Z" : "log R(x) / T";
  if (calibration["log_z"].is_number()) chart.unit_line_offset = calibration["log_z"].get<double>();
  chart.unit_line_label = shifted ? "log R - log Z = log q: perfect"
                          : exact ? "log R = log q + log Z: perfect"
                                  : "slope 1 at the estimated log Z: perfect";
  chart.series = {
      Points(exact ? "objects" : "samples", Hue::kBlue, Numbers(calibration["log_q"]), Numbers(calibration["log_reward"]))};
  report::Figure figure;
  figure.title = "Calibration";
  figure.chart = std::move(chart);
  figure.half_width = true;
  figure.how_to_read = exact ? "One point an object; at most " + std::to_string(kMostPoints) +
                                   " are shown. Points right of the line are drawn too often."
                             : "One point a sample, with its trajectory's probability divided by the backward policy's.";
  if (shifted) figure.how_to_read += " All conditions together, each less its own log Z.";
  return figure;
}

// The first two rewards.
report::Figure FrontFigure(const json& front) {
  const auto series = [&](const char* key, const std::string& name, Hue hue) {
    std::vector<double> x, y;
    for (const json& point : front[key]) {
      x.push_back(Number(point[0]));
      y.push_back(Number(point[1]));
    }
    return Points(name, hue, std::move(x), std::move(y));
  };
  report::ScatterChart chart;
  chart.x.label = "first reward";
  chart.y.label = "second reward";
  chart.series = {series("true", "of all objects", Hue::kGrey), series("found", "of the samples", Hue::kBlue)};
  report::Figure figure;
  figure.title = "Front of the rewards";
  figure.chart = std::move(chart);
  figure.half_width = true;
  figure.how_to_read = "Objects that no other beats in every reward; a grey point without a blue one was not found.";
  return figure;
}

// Every condition by itself, and the mean that stands for all elsewhere.
report::Table ConditionsTable(const json& conditions) {
  constexpr MetricName kColumns[] = {{"total_variation", "total variation", ""},
                                     {"jensen_shannon", "Jensen-Shannon", ""},
                                     {"exact_log_z", "log Z, exact", ""},
                                     {"elbo", "ELBO", ""},
                                     {"iw_bound", "IW bound", ""},
                                     {"ess", "ESS", ""},
                                     {"spread", "spread", ""}};
  report::Table table;
  table.title = "Every condition";
  table.columns = {{.name = "condition"}};
  std::vector<const char*> keys;
  for (const MetricName& column : kColumns) {
    if (!conditions[0].contains(column.key)) continue;
    keys.push_back(column.key);
    table.columns.push_back({.name = column.title, .decimals = 4});
  }
  std::vector<report::Cell> mean_row = {std::string("mean")};
  for (const char* key : keys) {
    double sum = 0;
    for (const json& condition : conditions) sum += Number(condition[key]);
    mean_row.push_back(sum / static_cast<double>(conditions.size()));
  }
  for (const json& condition : conditions) {
    std::vector<report::Cell> row = {condition["condition"].get<std::string>()};
    for (const char* key : keys) row.push_back(Number(condition[key]));
    table.rows.push_back(std::move(row));
  }
  table.rows.push_back(std::move(mean_row));
  table.note = "The page's other numbers are means over these conditions; those of the front are of all of them together.";
  return table;
}

report::Section TrainingSection(const std::vector<MetricsLine>& lines, int64_t num_conditions) {
  report::Section section;
  section.title = "Training";
  const report::LineSeries distance = Series(lines, "eval", "total_variation", "total variation", Hue::kBlue, 0);
  if (!distance.x.empty()) {
    report::Figure figure = Curve("Distance from the target", "distance",
                                  {distance, Series(lines, "eval", "jensen_shannon", "Jensen-Shannon (nats)", Hue::kOrange, 0)},
                                  "1/2 sum |q - p| over all objects" + OfConditions(num_conditions) +
                                      ": 0 for a perfect sampler. Computed at every evaluation, not sampled.");
    std::get<report::LineChart>(figure.chart).y.log_scale = true;
    section.blocks.push_back(std::move(figure));
  }
  report::Figure loss = Curve("Loss", "loss", {Series(lines, "train", "loss", "of a step", Hue::kGreen, 0.9)},
                              "The objective's loss of each step and its moving mean.");
  auto& chart = std::get<report::LineChart>(loss.chart);
  chart.y.log_scale = std::all_of(lines.begin(), lines.end(), [](const MetricsLine& line) {
    const double* value = line.kind == "train" ? line.metrics.Find("loss") : nullptr;
    return value == nullptr || *value > 0;
  });
  section.blocks.push_back(std::move(loss));
  section.blocks.push_back(
      Curve("log Z", "nats",
            {Series(lines, "eval", "exact_log_z", "exact", Hue::kGrey, 0),
             Series(lines, "eval", "learned_log_z", "learned", Hue::kBlue, 0),
             Series(lines, "eval", "iw_bound", "importance-weighted bound", Hue::kVermillion, 0),
             Series(lines, "eval", "elbo", "ELBO", Hue::kGreen, 0)},
            "ELBO and the importance-weighted bound reach log Z from below as the sampler comes to its target" +
                (num_conditions > 1 ? "; each is a" + OfConditions(num_conditions).substr(1) : std::string()) + "."));
  return section;
}

void AddHeadlines(const json& metrics, int64_t num_conditions, report::Report& page) {
  const auto add = [&](const char* key, const std::string& label, const std::string& detail) {
    if (!metrics.contains(key) || !metrics[key].is_number()) return;
    page.headlines.push_back({label, FormatShort(metrics[key].get<double>()), detail});
  };
  add("log_likelihood", "Log-likelihood", "mean over the data, nats");
  add("true_log_likelihood", "Of the truth", "log-likelihood of the parameters that made the data, nats");
  add("posterior_tv", "Posterior TV", "of q(z | x), exact, mean over the data; 0 is perfect");
  add("coupling_error", "Coupling error", "root mean square of learned less true");
  add("total_variation", "Total variation", "from the target, exact; 0 is perfect" + OfConditions(num_conditions));
  add("log_z_error", "log Z error", "|learned - exact|, nats" + OfConditions(num_conditions));
  add("correlation", "Correlation", "of log q and log R" + OfConditions(num_conditions));
  add("spread", "Spread", "of log R + log P_B - log P_F, nats; 0 is perfect" + OfConditions(num_conditions));
}

}  // namespace

void ReportWorld(const RunRecord& record, report::Report& page) {
  const auto found = record.evaluations.find("world");
  if (found == record.evaluations.end()) {
    page.sections.push_back(TrainingSection(record.lines, 1));
    return;
  }
  const json& world = found->second;
  const int64_t num_conditions = world.contains("conditions") ? static_cast<int64_t>(world["conditions"].size()) : 1;
  AddHeadlines(world["metrics"], num_conditions, page);
  report::Section sampler;
  sampler.title = "The sampler after step " + std::to_string(world["step"].get<int64_t>());
  for (report::Figure& figure : LearnerFigures(world, record.lines)) sampler.blocks.push_back(std::move(figure));
  if (num_conditions > 1) sampler.blocks.push_back(ConditionsTable(world["conditions"]));
  const json pictures = world.value("distributions", json::array());
  for (const json& picture : pictures)
    sampler.blocks.push_back(picture.contains("grid") ? GridFigure(picture) : BarsFigure(picture));
  if (!pictures.empty() && static_cast<int64_t>(pictures.size()) < num_conditions) {
    sampler.blocks.push_back(report::Note{std::to_string(pictures.size()) + " of " + std::to_string(num_conditions) +
                                          " conditions are drawn, evenly chosen; the table has all of them."});
  }
  if (world.contains("front")) sampler.blocks.push_back(FrontFigure(world["front"]));
  page.sections.push_back(std::move(sampler));
  report::Section training = TrainingSection(record.lines, num_conditions);
  training.blocks.push_back(CalibrationFigure(world["calibration"]));
  page.sections.push_back(std::move(training));
  report::Section numbers;
  numbers.title = "All metrics";
  const json& metrics = world["metrics"];
  numbers.blocks.push_back(MetricsTable(
      [&](const char* key) { return metrics.contains(key) ? metrics[key].get_ptr<const double*>() : nullptr; },
      std::to_string(world["num_samples"].get<int64_t>()) + " samples" + (num_conditions > 1 ? " of each condition" : ""),
      num_conditions));
  page.sections.push_back(std::move(numbers));
}

}  // namespace gfn
