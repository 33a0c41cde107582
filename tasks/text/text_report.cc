// The report of a run of a task on a language model: curves from metrics.jsonl, tables and samples from the evaluations made so
// far.
#include <cmath>

#include "gflownet/base/text_util.h"
#include "tasks/task/curves.h"
#include "tasks/text/text_evaluation.h"
#include "tasks/text/text_task.h"

namespace gfn {
namespace {

using nlohmann::json;

report::Section TrainingSection(const TextWords& words, const std::vector<MetricsLine>& lines) {
  using report::Hue;
  report::Section section;
  section.title = "Training";
  section.blocks.push_back(Curve("Learning curve", "ELBO (nats)",
                                 {Series(lines, "eval", "train.elbo", "training " + words.examples, Hue::kBlue, 0),
                                  Series(lines, "eval", "validation.elbo", "unseen " + words.examples, Hue::kVermillion, 0)},
                                 "The ELBO rises to " + words.log_z +
                                     " for a perfect sampler. Draws are the same at every evaluation, so that steps "
                                     "are comparable; both curves rising together means that the sampler generalises."));
  section.blocks.push_back(
      Curve("Spread of log R - log q", "nats",
            {Series(lines, "eval", "train.spread", "training " + words.examples, Hue::kBlue, 0),
             Series(lines, "eval", "validation.spread", "unseen " + words.examples, Hue::kVermillion, 0)},
            "Standard deviation of log R - log q over the samples of one condition. A perfect sampler has spread 0."));
  section.blocks.push_back(
      Curve("Loss", "loss", {Series(lines, "train", "loss", "loss of a step", Hue::kGreen, 0.9)},
            "Steps of the warm start show its own loss, -log q of the given objects; then the objective's."));
  section.blocks.push_back(Curve("Length", "tokens",
                                 {Series(lines, "eval", "validation.length", "unseen " + words.examples, Hue::kVermillion, 0),
                                  Series(lines, "train", "length", "objects of a step", Hue::kBlue, 0.9)},
                                 "Tokens of the sampled " + words.object + " before its stop."));
  return section;
}

// The first baseline and the trained sampler, as the pictures show them.
std::vector<std::pair<std::string, report::Hue>> Pictured(const json& evaluation) {
  std::vector<std::pair<std::string, report::Hue>> pictured;
  const std::vector<std::string> names = SamplerNames(evaluation);
  if (names.size() > 1) pictured.emplace_back(names[1], report::Hue::kVermillion);
  pictured.emplace_back(names[0], report::Hue::kBlue);
  return pictured;
}

report::Figure Calibration(const json& evaluation) {
  report::ScatterChart chart;
  chart.x.label = "log q";
  chart.y.label = "log R, each condition's mean of log R - log q taken off";
  chart.unit_line_offset = 0;
  chart.unit_line_label = "perfect sampler";
  for (const auto& [name, hue] : Pictured(evaluation)) {
    report::ScatterSeries series;
    series.name = name;
    series.hue = hue;
    for (const json& samples : evaluation["points"][name]) {
      double mean = 0;
      for (const json& point : samples) mean += point[1].get<double>() - point[0].get<double>();
      mean /= static_cast<double>(samples.size());
      for (const json& point : samples) {
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
      "One point a sample. A perfect sampler has log R - log q = log Z for every sample of a condition, so all its points stand "
      "on "
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

// What stands in front of the samplers' samples.
std::string PromptsText(const json& evaluation) {
  std::string text;
  if (!evaluation.contains("prompts")) return text;
  for (const std::string& name : SamplerNames(evaluation)) {
    const json& prompt = evaluation["prompts"][name];
    text += (text.empty() ? " Prompts: " : "; ") + name + " " + prompt.dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return text + ".";
}

void AddEvaluation(const TextKind& kind, const json& evaluation, report::Report& page) {
  const TextWords words = kind.Words();
  const std::string better = evaluation["better_baseline"].get<std::string>();
  const json& gain = evaluation["paired"]["trained_minus_" + better]["elbo"];
  const std::string data = evaluation["data"].get<std::string>();
  report::Headline headline;
  headline.label = "ELBO gain, " + data.substr(data.rfind('/') + 1);
  const Interval interval = IntervalOf(gain, evaluation);
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
  section.blocks.push_back(EvaluationTable(kind, evaluation));
  section.blocks.push_back(
      report::Note{"ELBO and IW bound are lower bounds of " + words.log_z + " over the texts that are allowed; the closer, the " +
                   "better the sampler (the IW bound uses K = " + std::to_string(evaluation["num_samples"].get<int64_t>()) +
                   " samples)." + PromptsText(evaluation)});
  kind.AddToReport(evaluation, section);
  section.blocks.push_back(Calibration(evaluation));
  for (const json& card : evaluation["cards"]) section.blocks.push_back(Card(card));
  page.sections.push_back(std::move(section));
}

// A report reads nothing but the run folder: where the adapter started from a folder, that folder has the rank.
std::string RankText(const LoraConfig& lora) {
  return lora.path.empty() || lora.rank ? std::to_string(lora.Rank()) : "that of " + lora.path;
}

}  // namespace

Status ReportText(const TextKind& kind, const RunSettings& settings, const RunRecord& record, report::Report& page) {
  page.subtitle = kind.Words().subtitle;
  const ModelSourceConfig& model = *settings.model;
  page.facts = {{"model", model.path.substr(model.path.rfind('/') + 1) + ", " + std::string(EnumName(model.dtype))},
                {"steps", record.lines.empty() ? "0" : std::to_string(record.lines.back().step)},
                {"LoRA rank", RankText(settings.lora.value_or(LoraConfig{}))},
                {"training data", kind.config().data.train}};
  page.sections.push_back(TrainingSection(kind.Words(), record.lines));
  for (const char* split : {"test", "validation", "train", "data"}) {
    const auto evaluation = record.evaluations.find(split);
    if (evaluation != record.evaluations.end()) AddEvaluation(kind, evaluation->second, page);
  }
  return OkStatus();
}

}  // namespace gfn
