// The report of an infilling run: curves from metrics.jsonl, tables and samples from the evaluations made so far.
#include <cmath>

#include "tasks/infill/infill_task.h"
#include "tasks/task/curves.h"

namespace gfn {
namespace {

using nlohmann::json;

report::Section TrainingSection(const std::vector<MetricsLine>& lines) {
  using report::Hue;
  report::Section section;
  section.title = "Training";
  section.blocks.push_back(
      Curve("Learning curve", "ELBO (nats)",
            {Series(lines, "eval", "train.elbo", "training stories", Hue::kBlue, 0),
             Series(lines, "eval", "validation.elbo", "unseen stories", Hue::kVermillion, 0)},
            "The ELBO rises to log p(Y|X) for a perfect sampler. Draws are the same at every evaluation, so that steps "
            "are comparable; both curves rising together means that the sampler generalises."));
  section.blocks.push_back(
      Curve("Spread of log R - log q", "nats",
            {Series(lines, "eval", "train.spread", "training stories", Hue::kBlue, 0),
             Series(lines, "eval", "validation.spread", "unseen stories", Hue::kVermillion, 0)},
            "Standard deviation of log R - log q over the samples of one story. A perfect sampler has spread 0."));
  section.blocks.push_back(
      Curve("Loss", "loss", {Series(lines, "train", "loss", "loss of a step", Hue::kGreen, 0.9)},
            "Steps of the warm start show its own loss, -log q of the given objects; then the objective's."));
  section.blocks.push_back(Curve("Length", "tokens",
                                 {Series(lines, "eval", "validation.length", "unseen stories", Hue::kVermillion, 0),
                                  Series(lines, "train", "length", "objects of a step", Hue::kBlue, 0.9)},
                                 "Tokens of the sampled sentence before its stop."));
  return section;
}

Interval ToInterval(const json& value, int64_t count) {
  return {value["mean"].get<double>(), value["ci95"][0].is_number() ? value["ci95"][0].get<double>() : -INFINITY,
          value["ci95"][1].is_number() ? value["ci95"][1].get<double>() : INFINITY, count};
}

const std::vector<std::pair<std::string, std::string>>& Names() {
  static const std::vector<std::pair<std::string, std::string>> kNames = {
      {"trained", "trained sampler"}, {"untrained", "untrained, fixed prompt"}, {"left_context", "base model, X only"}};
  return kNames;
}

report::Table ResultsTable(const json& evaluation) {
  static const std::vector<std::pair<std::string, std::string>> kMetrics = {
      {"elbo", "ELBO"},          {"iw_bound", "IW bound"}, {"spread", "spread"},         {"ess", "ESS"},
      {"log_reward", "E log R"}, {"length", "length"},     {"distinct_2", "distinct-2"}, {"self_bleu", "self-BLEU"},
      {"bleu4", "BLEU-4"},       {"gleu4", "GLEU-4"}};
  const int64_t count = evaluation["num_conditions"].get<int64_t>();
  report::Table table;
  table.title = std::to_string(count) + " stories of " + evaluation["data"].get<std::string>() + ", " +
                std::to_string(evaluation["num_samples"].get<int64_t>()) + " samples of each";
  table.columns.push_back({.name = "sampler"});
  for (const auto& [key, name] : kMetrics)
    table.columns.push_back({.name = name, .decimals = key == "elbo" || key == "iw_bound" || key == "spread" ? 2 : 3});
  const auto add = [&](const std::string& name, const json& metrics) {
    std::vector<report::Cell> row = {name};
    for (const auto& [key, unused] : kMetrics) {
      row.push_back(metrics.contains(key) ? report::Cell(ToInterval(metrics[key], count)) : report::Cell(std::string("-")));
    }
    table.rows.push_back(std::move(row));
  };
  for (const auto& [key, name] : Names()) add(name, evaluation["samplers"][key]);
  const std::string better = evaluation["better_baseline"].get<std::string>();
  add("trained - " + better, evaluation["paired"]["trained_minus_" + better]);
  table.note =
      "nats, 95 % intervals over stories; the last row is paired by story, against the better of the two fixed baselines";
  return table;
}

report::Figure Calibration(const json& evaluation) {
  report::ScatterChart chart;
  chart.x.label = "log q";
  chart.y.label = "log R, each story's mean of log R - log q taken off";
  chart.unit_line_offset = 0;
  chart.unit_line_label = "perfect sampler";
  for (const auto& [name, hue] : {std::pair{"untrained", report::Hue::kVermillion}, std::pair{"trained", report::Hue::kBlue}}) {
    report::ScatterSeries series;
    series.name = name;
    series.hue = hue;
    for (const json& story : evaluation["points"][name]) {
      double mean = 0;
      for (const json& point : story) mean += point[1].get<double>() - point[0].get<double>();
      mean /= static_cast<double>(story.size());
      for (const json& point : story) {
        series.x.push_back(point[0].get<double>());
        series.y.push_back(point[1].get<double>() - mean);
      }
    }
    chart.series.push_back(std::move(series));
  }
  report::Figure figure;
  figure.title = "Calibration";
  figure.chart = std::move(chart);
  figure.how_to_read =
      "One point a sample. A perfect sampler has log R - log q = log Z for every sample of a story, so all its points stand on "
      "the line.";
  return figure;
}

report::SampleCard Card(const json& value) {
  report::SampleCard card;
  card.title = value["title"].get<std::string>();
  card.before = value["before"].get<std::string>();
  card.hidden = value["hidden"].get<std::string>();
  card.after = value["after"].get<std::string>();
  for (const json& column : value["columns"]) {
    report::SampleColumn& target = card.columns.emplace_back();
    target.name = column["name"].get<std::string>();
    target.hue = target.name == "trained" ? report::Hue::kBlue : report::Hue::kVermillion;
    for (const json& sample : column["samples"]) {
      target.samples.push_back(
          {sample["text"].get<std::string>(), sample["log_q"].get<double>(), sample["log_reward"].get<double>()});
    }
  }
  return card;
}

void AddEvaluation(const json& evaluation, report::Report& page) {
  const std::string better = evaluation["better_baseline"].get<std::string>();
  const json& gain = evaluation["paired"]["trained_minus_" + better]["elbo"];
  const std::string data = evaluation["data"].get<std::string>();
  report::Headline headline;
  headline.label = "ELBO gain, " + data.substr(data.rfind('/') + 1);
  const Interval interval = ToInterval(gain, evaluation["num_conditions"].get<int64_t>());
  headline.value = report::FormatFixed(interval.mean, 2, true) + " nats";
  headline.detail = "95 % interval " + report::FormatFixed(interval.low, 2, true) + " to " +
                    report::FormatFixed(interval.high, 2, true) + ", against " + better;
  page.headlines.push_back(headline);
  const json& spread = evaluation["samplers"];
  headline.label = "Spread, " + data.substr(data.rfind('/') + 1);
  headline.value = report::FormatFixed(spread["trained"]["spread"]["mean"].get<double>(), 2);
  headline.detail = "was " + report::FormatFixed(spread[better]["spread"]["mean"].get<double>(), 2) + "; 0 for a perfect sampler";
  page.headlines.push_back(headline);

  report::Section section;
  section.title = "Evaluation on " + data;
  section.blocks.push_back(ResultsTable(evaluation));
  section.blocks.push_back(
      report::Note{"ELBO and IW bound are lower bounds of log p(Y|X) over the sentences that are allowed; the closer, the better "
                   "the sampler (the IW "
                   "bound uses K = " +
                   std::to_string(evaluation["num_samples"].get<int64_t>()) + " samples)."});
  section.blocks.push_back(Calibration(evaluation));
  for (const json& card : evaluation["cards"]) section.blocks.push_back(Card(card));
  page.sections.push_back(std::move(section));
}

// A report reads nothing but the run folder: where the adapter started from a folder, that folder has the rank.
std::string RankText(const LoraConfig& lora) {
  return lora.path.empty() || lora.rank ? std::to_string(lora.Rank()) : "that of " + lora.path;
}

}  // namespace

Status ReportInfill(const InfillConfig& task, const RunSettings& settings, const RunRecord& record, report::Report& page) {
  page.subtitle = "A sampler of hidden sentences: how far its samples are from the true posterior, before and after training";
  const ModelSourceConfig& model = *settings.model;
  page.facts = {{"model", model.path.substr(model.path.rfind('/') + 1) + ", " + std::string(EnumName(model.dtype))},
                {"steps", record.lines.empty() ? "0" : std::to_string(record.lines.back().step)},
                {"LoRA rank", RankText(settings.lora.value_or(LoraConfig{}))},
                {"training data", task.data.train}};
  page.sections.push_back(TrainingSection(record.lines));
  for (const char* split : {"test", "validation", "train", "data"}) {
    const auto evaluation = record.evaluations.find(split);
    if (evaluation != record.evaluations.end()) AddEvaluation(evaluation->second, page);
  }
  return OkStatus();
}

}  // namespace gfn
