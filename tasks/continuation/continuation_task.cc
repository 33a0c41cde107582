#include "tasks/continuation/continuation_task.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tasks/text/text_evaluation.h"

namespace gfn {
namespace {

// Every prompt as a point for each sampler: how likely its samples are, and how alike.
report::Figure LikelihoodAndDiversity(const nlohmann::json& evaluation) {
  report::ScatterChart chart;
  chart.x.label = "self-BLEU of the samples of a prompt";
  chart.y.label = "mean log p(Z|X)";
  for (const std::string& name : SamplerNames(evaluation)) {
    const nlohmann::json& of_sampler = evaluation.at("per_example").at(name);
    report::ScatterSeries series;
    series.name = name;
    if (name == "trained") series.hue = report::Hue::kBlue;
    series.x = of_sampler.at("self_bleu").get<std::vector<double>>();
    series.y = of_sampler.at("log_reward").get<std::vector<double>>();
    chart.series.push_back(std::move(series));
  }
  report::Figure figure;
  figure.title = "Likelihood and diversity";
  figure.chart = std::move(chart);
  figure.how_to_read =
      "One point a prompt. Up is likelier, left is more diverse: a sampler at a low temperature that has not "
      "collapsed moves up more than it moves to the right.";
  return figure;
}

class ContinuationKind : public TextKindOf<ContinuationConfig> {
 public:
  using TextKindOf::TextKindOf;
  TextWords Words() const override {
    return {.subtitle =
                "A sampler of continuations by their likelihood at a temperature: how far its samples are from the target, "
                "before and after training",
            .examples = "prompts",
            .object = "continuation",
            .log_z = "the log of the sum of p(Z|X)^(1/T)"};
  }
  double EvaluationTemperature(const RunSettings& settings) const override {
    return settings.train.trainer.reward_temperature.end;
  }

  std::vector<TextMetric> Metrics() const override {
    return {{"max_log_p", "max log p", 1}, {"log_p_token", "log p / token", 2}};
  }
  StatusOr<Measured> Measure(const TextParts&, const TextExample&, const Policy&,
                             const ConditionSamples& samples) const override {
    Measured measured;
    double best = samples.samples.front().log_reward, per_token = 0;
    for (const SampledText& sample : samples.samples) {
      best = std::max(best, sample.log_reward);
      per_token += sample.log_reward / static_cast<double>(sample.tokens.size() + 1);
    }
    measured.metrics["max_log_p"] = best;
    measured.metrics["log_p_token"] = per_token / static_cast<double>(samples.samples.size());
    return measured;
  }
  void AddToReport(const nlohmann::json& evaluation, report::Section& section) const override {
    section.blocks.push_back(LikelihoodAndDiversity(evaluation));
  }
};

}  // namespace

std::unique_ptr<TextKind> MakeTextKind(const ContinuationConfig& config) { return std::make_unique<ContinuationKind>(config); }

}  // namespace gfn
