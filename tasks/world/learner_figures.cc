#include "tasks/world/learner_figures.h"

#include <array>

#include "tasks/task/curves.h"

namespace gfn {
namespace {

using nlohmann::json;
using report::Hue;

std::vector<double> Column(const json& rows, size_t column) {
  std::vector<double> values;
  for (const json& row : rows) values.push_back(row[column].get<double>());
  return values;
}

report::ScatterSeries Dots(const std::string& name, Hue hue) {
  report::ScatterSeries series;
  series.name = name;
  series.hue = hue;
  return series;
}

report::Figure CouplingsFigure(const json& couplings) {
  report::ScatterChart chart;
  chart.x.label = "true";
  chart.y.label = "learned";
  chart.unit_line_offset = 0;
  chart.unit_line_label = "learned = true";
  report::ScatterSeries dots = Dots("couplings", Hue::kBlue);
  dots.x = couplings["true"].get<std::vector<double>>();
  dots.y = couplings["learned"].get<std::vector<double>>();
  chart.series = {std::move(dots)};
  report::Figure figure;
  figure.title = "Couplings";
  figure.chart = std::move(chart);
  figure.half_width = true;
  figure.how_to_read =
      "One point a coupling. Finite data leave some distance between the most likely couplings and the true ones.";
  return figure;
}

constexpr std::array kGroupHues = {Hue::kBlue, Hue::kVermillion, Hue::kGreen, Hue::kOrange, Hue::kPurple, Hue::kSky};

report::Figure MixtureFigure(const json& mixture) {
  report::ScatterChart chart;
  chart.x.label = "first coordinate";
  chart.y.label = "second coordinate";
  const json& means = mixture["means"];
  std::vector<report::ScatterSeries> groups;
  for (size_t k = 0; k < means.size(); ++k) {
    groups.push_back(Dots("group " + std::to_string(k), kGroupHues[k % kGroupHues.size()]));
  }
  for (const json& point : mixture["points"]) {
    report::ScatterSeries& group = groups.at(point[2].get<size_t>());
    group.x.push_back(point[0].get<double>());
    group.y.push_back(point[1].get<double>());
  }
  chart.series = std::move(groups);
  report::ScatterSeries centers = Dots("means", Hue::kGrey);
  centers.x = Column(means, 0);
  centers.y = Column(means, 1);
  chart.series.push_back(std::move(centers));
  report::Figure figure;
  figure.title = "Posterior over the data";
  figure.chart = std::move(chart);
  figure.half_width = true;
  figure.how_to_read =
      "One dot a point, coloured by its likeliest group under the sampler; grey: the learned means. Each group is the petals "
      "around its mean.";
  return figure;
}

// Where the means were at every evaluation.
report::Figure MeansFigure(const std::vector<MetricsLine>& lines, size_t num_groups) {
  report::ScatterChart chart;
  chart.x.label = "first coordinate";
  chart.y.label = "second coordinate";
  for (size_t k = 0; k < num_groups; ++k) {
    report::ScatterSeries path = Dots("mean " + std::to_string(k), kGroupHues[k % kGroupHues.size()]);
    const std::string name = "mean_" + std::to_string(k) + "_";
    for (const MetricsLine& line : lines) {
      const double *x = line.metrics.Find(name + "0"), *y = line.metrics.Find(name + "1");
      if (line.kind != "eval" || x == nullptr || y == nullptr) continue;
      path.x.push_back(*x);
      path.y.push_back(*y);
      path.labels.push_back("step " + std::to_string(line.step));
    }
    chart.series.push_back(std::move(path));
  }
  report::Figure figure;
  figure.title = "The way of the means";
  figure.chart = std::move(chart);
  figure.half_width = true;
  figure.how_to_read = "One dot a mean and evaluation; they begin at points of the data.";
  return figure;
}

report::Figure MosaicFigure(const json& picture) {
  report::HeatMap map;
  map.num_rows = picture["rows"].get<int64_t>();
  map.num_columns = picture["columns"].get<int64_t>();
  map.panels = {{picture["name"].get<std::string>(), picture["cells"].get<std::vector<double>>()}};
  report::Figure figure;
  figure.title = "Images " + picture["name"].get<std::string>();
  figure.chart = std::move(map);
  return figure;
}

}  // namespace

std::vector<report::Figure> LearnerFigures(const json& record, const std::vector<MetricsLine>& lines) {
  std::vector<report::Figure> figures;
  if (record.contains("couplings")) figures.push_back(CouplingsFigure(record["couplings"]));
  const auto series = [&](const char* name, const std::string& title, Hue hue) {
    return Series(lines, "eval", name, title, hue, 0);
  };
  if (record.contains("images")) {
    figures.push_back(Curve("Negative log-likelihood of the test images", "nats",
                            {series("nll", "importance bound", Hue::kBlue), series("elbo_nll", "one sample", Hue::kOrange)},
                            "Both lie above the truth, the first closer."));
    for (const json& picture : record["images"]) figures.push_back(MosaicFigure(picture));
  }
  if (!record.contains("mixture")) return figures;
  const json& mixture = record["mixture"];
  figures.push_back(MixtureFigure(mixture));
  figures.push_back(MeansFigure(lines, mixture["means"].size()));
  figures.push_back(Curve("Log-likelihood of the data", "nats",
                          {series("log_likelihood", "of the model", Hue::kBlue),
                           series("true_log_likelihood", "of the means that made the data", Hue::kGrey)},
                          "Mean log p(x), exact, at every evaluation."));
  figures.push_back(Curve("Distance of q(z | x) from the posterior", "total variation",
                          {series("posterior_tv", "mean over the data", Hue::kVermillion)},
                          "Of the model as it stands: the sampler follows it from behind."));
  return figures;
}

}  // namespace gfn
