#include "tasks/text/text_evaluation.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "gflownet/base/clock.h"
#include "gflownet/base/text_util.h"
#include "gflownet/decoding/decoding.h"
#include "gflownet/train/signals.h"
#include "tasks/text/text_methods.h"
#include "tasks/text/text_metrics.h"
#include "tasks/text/text_simulated.h"
#include "tasks/text/text_task.h"

namespace gfn {
namespace {

using nlohmann::json;

// A single example says nothing of its spread: its limits are infinite, which JSON writes as null.
json ToJson(const Interval& interval) {
  return {{"mean", interval.mean}, {"ci95", {FiniteOrNull(interval.low), FiniteOrNull(interval.high)}}};
}

}  // namespace

const SamplerResult& EvaluationResult::BestBaseline() const {
  const auto elbo = [](const SamplerResult& sampler) {
    const auto found = sampler.metrics.find("elbo");
    return found == sampler.metrics.end() ? -INFINITY : Mean(found->second);
  };
  return *std::max_element(samplers.begin() + 1, samplers.end(),
                           [&](const SamplerResult& a, const SamplerResult& b) { return elbo(a) < elbo(b); });
}

StatusOr<EvaluationResult> EvaluateSamplers(TextParts& parts, std::vector<TextExample> examples, int64_t num_samples,
                                            int64_t max_conditions) {
  EvaluationResult result;
  result.num_samples = num_samples;
  result.examples = std::move(examples);
  if (max_conditions > 0 && static_cast<size_t>(max_conditions) < result.examples.size())
    result.examples.resize(static_cast<size_t>(max_conditions));
  SamplerEvaluationOptions options = EvaluationOptions(parts);
  result.temperature = options.temperature;
  options.num_samples = num_samples;
  options.key = {static_cast<uint64_t>(parts.settings.seed), RngPurpose::kEval, 1};
  const auto add = [&](const TextBaseline& baseline, const Policy& policy) -> Status {
    std::vector<ConditionId> conditions;
    for (const TextExample& example : result.examples) {
      ASSIGN_OR_RETURN(const ConditionId id, AddCondition(parts, baseline.prompt, example));
      conditions.push_back(id);
    }
    SamplerResult& sampler = result.samplers.emplace_back();
    sampler.name = baseline.name;
    sampler.prompt = baseline.prompt;
    const double start = SteadySeconds();
    const bool has_density = HasDensity(baseline.method);
    std::vector<std::optional<double>> log_z, ess;
    double num_tokens = 0, num_drawn = 0;
    if (has_density) {
      ASSIGN_OR_RETURN(sampler.conditions, SampleConditions(*parts.environment, policy, *parts.reward, conditions, options));
      for (const ConditionSamples& of_condition : sampler.conditions) {
        for (const SampledText& sample : of_condition.samples) num_tokens += static_cast<double>(sample.tokens.size()) + 1;
      }
    } else {
      for (size_t c = 0; c < conditions.size(); ++c) {
        if (StopRequested()) return Cancelled("stopped while samples were drawn");
        const RngKey key = {options.key.seed, RngPurpose::kEval, MixBits(c + 2)};
        ASSIGN_OR_RETURN(MethodSamples drawn,
                         DrawByMethod(parts, baseline.method, policy, conditions[c], num_samples, result.temperature, key));
        num_tokens += static_cast<double>(drawn.num_actions);
        log_z.push_back(drawn.log_z);
        ess.push_back(drawn.ess);
        sampler.conditions.push_back(std::move(drawn.samples));
      }
    }
    for (const ConditionSamples& of_condition : sampler.conditions) num_drawn += static_cast<double>(of_condition.samples.size());
    sampler.tokens_per_sample = num_tokens / num_drawn;
    sampler.seconds_per_sample = (SteadySeconds() - start) / num_drawn;
    for (size_t c = 0; c < conditions.size(); ++c) {
      ASSIGN_OR_RETURN(Measured measured, MeasureExample(parts, result.examples[c], policy, sampler.conditions[c], has_density));
      // The exponential of such an estimate of log Z is unbiased, so it is a bound from below like that of importance weights.
      if (!has_density && log_z[c]) measured.metrics["iw_bound"] = *log_z[c];
      if (!has_density && ess[c]) measured.metrics["ess"] = *ess[c];
      for (const auto& [metric, value] : measured.metrics) sampler.metrics[metric].push_back(value);
      if (!measured.pictures.is_null()) sampler.pictures.push_back(std::move(measured.pictures));
    }
    return OkStatus();
  };
  RETURN_IF_ERROR(add({.name = "trained", .prompt = parts.config().prompt}, *parts.policy));
  for (const TextBaseline& baseline : parts.config().baselines)
    RETURN_IF_ERROR(add(baseline, baseline.proposal == Proposal::kTrained ? *parts.policy : *parts.untrained));
  return result;
}

json EvaluationToJson(const EvaluationResult& result) {
  json order = json::array(), prompts, samplers, paired, cost;
  const SamplerResult& trained = result.Trained();
  for (const SamplerResult& sampler : result.samplers) {
    order.push_back(sampler.name);
    prompts[sampler.name] = sampler.prompt;
    if (sampler.tokens_per_sample > 0)
      cost[sampler.name] = {{"tokens_per_sample", sampler.tokens_per_sample}, {"seconds_per_sample", sampler.seconds_per_sample}};
    for (const auto& [metric, values] : sampler.metrics) {
      samplers[sampler.name][metric] = ToJson(TInterval(values));
      // A metric that some examples have under one sampler alone has no pairs.
      if (&sampler == &trained || !trained.metrics.contains(metric) || trained.metrics.at(metric).size() != values.size())
        continue;
      paired["trained_minus_" + sampler.name][metric] = ToJson(TInterval(PairedDifferences(trained.metrics.at(metric), values)));
    }
  }
  return {{"num_conditions", result.examples.size()},
          {"num_samples", result.num_samples},
          {"iw_bound_k", result.num_samples},
          {"temperature", result.temperature},
          {"better_baseline", result.BestBaseline().name},
          {"order", order},
          {"prompts", prompts},
          {"samplers", samplers},
          {"cost", cost},
          {"paired", paired}};
}

Interval IntervalOf(const json& metric, const json& evaluation) {
  const json& limits = metric.at("ci95");
  return {metric.at("mean").get<double>(), limits[0].is_number() ? limits[0].get<double>() : -INFINITY,
          limits[1].is_number() ? limits[1].get<double>() : INFINITY, evaluation.at("num_conditions").get<int64_t>()};
}

std::vector<std::string> SamplerNames(const json& evaluation) {
  if (evaluation.contains("order")) return evaluation["order"].get<std::vector<std::string>>();
  // A record of an earlier version.
  std::vector<std::string> names = {"trained"};
  for (const auto& [name, unused] : evaluation.at("samplers").items()) {
    if (name != "trained") names.push_back(name);
  }
  return names;
}

report::Table EvaluationTable(const TextKind& kind, const json& evaluation) {
  const std::vector<std::string> names = SamplerNames(evaluation);
  std::vector<TextMetric> metrics;
  for (TextMetric& metric : TextMetrics(kind)) {
    const bool is_known =
        std::ranges::any_of(names, [&](const std::string& name) { return evaluation["samplers"][name].contains(metric.key); });
    if (metric.in_table && is_known) metrics.push_back(std::move(metric));
  }
  const std::string num_samples = std::to_string(evaluation["num_samples"].get<int64_t>());
  report::Table table;
  table.title = std::to_string(evaluation["num_conditions"].get<int64_t>()) + " " + kind.Words().examples + " of " +
                evaluation.value("data", "?") + ", " + num_samples + " samples of each (K = " + num_samples +
                "), nats, 95 % intervals";
  table.columns.push_back({.name = "sampler"});
  for (const TextMetric& metric : metrics) table.columns.push_back({.name = metric.title, .decimals = metric.decimals});
  // Earlier versions wrote none, and exact draws are no matter of cost.
  const bool has_cost = evaluation.contains("cost") && !evaluation["cost"].empty();
  if (has_cost) {
    table.columns.push_back({.name = "tokens/sample", .decimals = 1});
    table.columns.push_back({.name = "s/sample", .decimals = 3});
  }
  const auto add = [&](const std::string& name, const json& values) {
    std::vector<report::Cell> row = {name};
    for (const TextMetric& metric : metrics) {
      row.push_back(values.contains(metric.key) ? report::Cell(IntervalOf(values[metric.key], evaluation))
                                                : report::Cell(std::string("-")));
    }
    for (const char* key : {"tokens_per_sample", "seconds_per_sample"}) {
      if (!has_cost) continue;
      const bool is_known = evaluation["cost"].contains(name);
      row.push_back(is_known ? report::Cell(evaluation["cost"][name][key].get<double>()) : report::Cell(std::string("-")));
    }
    table.rows.push_back(std::move(row));
  };
  for (const std::string& name : names) add(name, evaluation["samplers"][name]);
  const std::string better = evaluation["better_baseline"].get<std::string>();
  add("trained - " + better, evaluation["paired"]["trained_minus_" + better]);
  table.note = "last row: paired by example, against the best fixed baseline";
  if (const double temperature = evaluation.value("temperature", 1.0); temperature != 1)
    table.note += "; bounds, spread and ESS are of R^(1/T) at T = " + FormatShort(temperature);
  return table;
}

std::vector<report::SampleCard> SampleCards(const TextParts& parts, const EvaluationResult& result, size_t num_cards,
                                            size_t num_samples) {
  std::vector<report::SampleCard> cards;
  for (size_t c = 0; c < std::min(num_cards, result.examples.size()); ++c) {
    const TextExample& example = result.examples[c];
    report::SampleCard& card = cards.emplace_back();
    card.title = example.id;
    card.before = example.x;
    card.hidden = example.z;
    card.after = example.y;
    for (const SamplerResult* sampler : {&result.samplers[1], &result.Trained()}) {
      report::SampleColumn& column = card.columns.emplace_back();
      column.name = sampler->name;
      column.hue = sampler == &result.Trained() ? report::Hue::kBlue : report::Hue::kVermillion;
      const auto& samples = sampler->conditions[c].samples;
      for (size_t n = 0; n < std::min(num_samples, samples.size()); ++n) {
        column.samples.push_back({DecodeObject(*parts.tokenizer, samples[n].tokens, samples[n].stop), samples[n].log_q,
                                  samples[n].log_reward / result.temperature});
      }
    }
  }
  return cards;
}

namespace {

StatusOr<NamedExamples> ExamplesOf(const EvalRequest& request, const TextData& data) {
  if (request.data.empty()) return ReadSplit(data, request.split);
  NamedExamples given{request.data, {}};
  ASSIGN_OR_RETURN(given.examples, ReadTextExamples(request.data, data.fields));
  return given;
}

constexpr size_t kMostPoints = 1000;  // of a condition in the calibration picture

std::string CardText(const report::SampleCard& card) {
  std::string text = "\n" + card.before + "\n";
  if (!card.hidden.empty()) text += "   [hidden: " + card.hidden + "]\n";
  if (!card.after.empty()) text += card.after + "\n";
  for (const report::SampleColumn& column : card.columns) {
    text += "  " + column.name + " (log R - log q)\n";
    for (const report::Sample& sample : column.samples) {
      text += "    " + report::FormatFixed(sample.log_reward - sample.log_q, 1) + "  " + sample.text + "\n";
    }
  }
  return text;
}

json CardsToJson(const std::vector<report::SampleCard>& cards) {
  json all = json::array();
  for (const report::SampleCard& card : cards) {
    json columns = json::array();
    for (const report::SampleColumn& column : card.columns) {
      json list = json::array();
      for (const report::Sample& sample : column.samples)
        list.push_back({{"text", sample.text}, {"log_q", sample.log_q}, {"log_reward", sample.log_reward}});
      columns.push_back({{"name", column.name}, {"samples", list}});
    }
    all.push_back(
        {{"title", card.title}, {"before", card.before}, {"hidden", card.hidden}, {"after", card.after}, {"columns", columns}});
  }
  return all;
}

}  // namespace

StatusOr<EvalResult> EvaluateText(TextParts& parts, const EvalRequest& request) {
  ASSIGN_OR_RETURN(NamedExamples data, ExamplesOf(request, parts.config().data));
  const int64_t samples = request.samples > 0 ? request.samples : parts.settings.evaluation.samples;
  // Of the training data only what was trained on.
  int64_t max_conditions = request.max_conditions;
  const int64_t limit = request.data.empty() && request.split == "train" ? parts.config().data.train_limit : 0;
  if (limit > 0 && (max_conditions <= 0 || max_conditions > limit)) max_conditions = limit;
  ASSIGN_OR_RETURN(const EvaluationResult evaluation,
                   request.simulated ? EvaluateSimulated(parts, data.examples, samples, max_conditions)
                                     : EvaluateSamplers(parts, std::move(data.examples), samples, max_conditions));
  EvalResult result;
  result.name = request.simulated ? "simulated" : request.data.empty() ? request.split : "data";
  for (const report::SampleCard& card :
       SampleCards(parts, evaluation, static_cast<size_t>(std::max<int64_t>(0, request.show)), 4)) {
    result.text += CardText(card);
  }
  result.numbers = EvaluationToJson(evaluation);
  result.numbers["step"] = request.step;
  result.numbers["data"] = request.simulated ? "texts that the model drew behind beginnings of " + data.source : data.source;
  result.table = EvaluationTable(*parts.kind, result.numbers);
  // What the report shows: a few samples of each, and every example for the calibration pictures.
  result.pictures["cards"] = CardsToJson(SampleCards(parts, evaluation, 6, 5));
  for (const SamplerResult& sampler : evaluation.samplers) {
    for (const ConditionSamples& condition : sampler.conditions) {
      json points = json::array();
      for (const SampledText& sample : std::span(condition.samples).first(std::min(condition.samples.size(), kMostPoints)))
        points.push_back({sample.log_q, sample.log_reward / condition.temperature});
      result.pictures["points"][sampler.name].push_back(points);
    }
    result.pictures["per_example"][sampler.name] = sampler.metrics;
    if (!sampler.pictures.empty()) result.pictures["own"][sampler.name] = sampler.pictures;
  }
  return result;
}

}  // namespace gfn
