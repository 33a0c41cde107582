#include "tasks/infill/infill_evaluation.h"

#include <cmath>

#include "gflownet/base/check.h"
#include "llm/metrics/bleu.h"
#include "llm/metrics/diversity.h"
#include "llm/metrics/tokens.h"
#include "tasks/infill/infill_task.h"

namespace gfn {
namespace {

struct MetricColumn {
  const char* key;
  const char* title;
  int decimals;
};
// What the table shows, in order; the JSON has every metric.
constexpr MetricColumn kColumns[] = {
    {"elbo", "ELBO", 2},          {"iw_bound", "IW bound", 2}, {"spread", "spread", 2},         {"ess", "ESS", 1},
    {"log_reward", "E log R", 1}, {"length", "length", 1},     {"distinct_2", "distinct-2", 3}, {"self_bleu", "self-BLEU", 3},
    {"bleu4", "BLEU-4", 3},       {"gleu4", "GLEU-4", 3}};

// One number an example and metric.
void ComputeMetrics(const InfillParts& parts, const InfillSplit& split, SamplerResult& result) {
  for (size_t c = 0; c < result.conditions.size(); ++c) {
    const ConditionSamples& condition = result.conditions[c];
    const auto add = [&](const char* name, double value) { result.metrics[name].push_back(value); };
    add("elbo", condition.Elbo());
    add("iw_bound", condition.IwBound());
    add("ess", condition.Ess());
    add("spread", condition.Spread());
    add("log_reward", condition.MeanLogReward());
    add("length", condition.MeanLength());
    std::vector<TokenSequence> words;
    double bleu = 0, gleu = 0;
    WordNumbering numbering;
    const TokenSequence reference = numbering.Number(split.examples[c].z);
    for (const SampledText& sample : condition.samples) {
      words.push_back(numbering.Number(DecodeObject(*parts.tokenizer, sample.tokens, sample.stop)));
      bleu += SentenceBleu({&reference, 1}, words.back());
      gleu += SentenceGleu({&reference, 1}, words.back());
    }
    const double n = static_cast<double>(words.size());
    if (!split.examples[c].z.empty()) {
      add("bleu4", bleu / n);
      add("gleu4", gleu / n);
    }
    add("distinct_1", DistinctN(words, 1).value_or(0));
    add("distinct_2", DistinctN(words, 2).value_or(0));
    add("self_bleu", SelfBleu(words).value_or(0));
  }
}

// A single example says nothing of its spread: its limits are infinite, which JSON writes as null.
nlohmann::json ToJson(const Interval& interval) {
  return {{"mean", interval.mean}, {"ci95", {FiniteOrNull(interval.low), FiniteOrNull(interval.high)}}};
}

}  // namespace

const SamplerResult& EvaluationResult::Get(const std::string& name) const {
  for (const SamplerResult& sampler : samplers) {
    if (sampler.name == name) return sampler;
  }
  GFN_CHECK(false) << "no sampler " << name;
  return samplers[0];
}

const SamplerResult& EvaluationResult::BetterBaseline() const {
  const SamplerResult &untrained = Get("untrained"), &left = Get("left_context");
  return Mean(untrained.metrics.at("elbo")) >= Mean(left.metrics.at("elbo")) ? untrained : left;
}

StatusOr<EvaluationResult> EvaluateSamplers(InfillParts& parts, const std::string& data, int64_t num_samples,
                                            int64_t max_conditions) {
  EvaluationResult result;
  result.num_samples = num_samples;
  ASSIGN_OR_RETURN(result.split, LoadSplit(parts, data, max_conditions));
  SamplerEvaluationOptions options;
  options.num_samples = num_samples;
  options.batch_rows = parts.settings.evaluation.batch_rows;
  options.key = {static_cast<uint64_t>(parts.settings.seed), RngPurpose::kEval, 1};
  const auto add = [&](const char* name, const Policy& policy, const std::vector<ConditionId>& conditions) -> Status {
    SamplerResult& sampler = result.samplers.emplace_back();
    sampler.name = name;
    ASSIGN_OR_RETURN(sampler.conditions, SampleConditions(*parts.environment, policy, *parts.reward, conditions, options));
    ComputeMetrics(parts, result.split, sampler);
    return OkStatus();
  };
  RETURN_IF_ERROR(add("trained", *parts.policy, result.split.conditions));
  RETURN_IF_ERROR(add("untrained", *parts.untrained, result.split.baseline_conditions));
  RETURN_IF_ERROR(add("left_context", *parts.left_context, result.split.baseline_conditions));
  return result;
}

nlohmann::json EvaluationToJson(const EvaluationResult& result) {
  nlohmann::json samplers, paired;
  const SamplerResult& trained = result.Get("trained");
  for (const SamplerResult& sampler : result.samplers) {
    for (const auto& [metric, values] : sampler.metrics) {
      samplers[sampler.name][metric] = ToJson(TInterval(values));
      if (&sampler != &trained) {
        paired["trained_minus_" + sampler.name][metric] =
            ToJson(TInterval(PairedDifferences(trained.metrics.at(metric), values)));
      }
    }
  }
  return {{"num_conditions", result.split.examples.size()},
          {"num_samples", result.num_samples},
          {"iw_bound_k", result.num_samples},
          {"better_baseline", result.BetterBaseline().name},
          {"samplers", samplers},
          {"paired", paired}};
}

report::Table EvaluationTable(const EvaluationResult& result) {
  report::Table table;
  table.title = std::to_string(result.split.examples.size()) + " examples, " + std::to_string(result.num_samples) +
                " samples of each (K = " + std::to_string(result.num_samples) + "), nats, 95 % intervals";
  table.columns.push_back({.name = "sampler"});
  for (const MetricColumn& column : kColumns) table.columns.push_back({.name = column.title, .decimals = column.decimals});
  for (const SamplerResult& sampler : result.samplers) {
    std::vector<report::Cell> row = {sampler.name};
    for (const MetricColumn& column : kColumns) {
      const auto found = sampler.metrics.find(column.key);
      row.push_back(found == sampler.metrics.end() ? report::Cell(std::string("-")) : report::Cell(TInterval(found->second)));
    }
    table.rows.push_back(std::move(row));
  }
  const SamplerResult& baseline = result.BetterBaseline();
  std::vector<report::Cell> row = {"trained - " + baseline.name};
  for (const MetricColumn& column : kColumns) {
    const auto& trained = result.Get("trained").metrics;
    const auto found = trained.find(column.key);
    row.push_back(found == trained.end()
                      ? report::Cell(std::string("-"))
                      : report::Cell(TInterval(PairedDifferences(found->second, baseline.metrics.at(column.key)))));
  }
  table.rows.push_back(std::move(row));
  table.note = "last row: paired by example, against the better fixed baseline";
  return table;
}

std::vector<report::SampleCard> SampleCards(const InfillParts& parts, const EvaluationResult& result, size_t num_cards,
                                            size_t num_samples) {
  std::vector<report::SampleCard> cards;
  for (size_t c = 0; c < std::min(num_cards, result.split.examples.size()); ++c) {
    const InfillExample& example = result.split.examples[c];
    report::SampleCard& card = cards.emplace_back();
    card.title = example.id;
    card.before = example.x;
    card.hidden = example.z;
    card.after = example.y;
    for (const auto& [name, hue] : {std::pair{"untrained", report::Hue::kVermillion}, std::pair{"trained", report::Hue::kBlue}}) {
      report::SampleColumn& column = card.columns.emplace_back();
      column.name = name;
      column.hue = hue;
      const auto& samples = result.Get(name).conditions[c].samples;
      for (size_t n = 0; n < std::min(num_samples, samples.size()); ++n) {
        column.samples.push_back(
            {DecodeObject(*parts.tokenizer, samples[n].tokens, samples[n].stop), samples[n].log_q, samples[n].log_reward});
      }
    }
  }
  return cards;
}

namespace {

StatusOr<std::string> DataOf(const EvalRequest& request, const InfillData& data) {
  if (!request.data.empty()) return request.data;
  const std::string& split = request.split;
  const std::string path = split == "test"         ? data.test
                           : split == "validation" ? data.validation
                           : split == "train"      ? data.train
                                                   : "?";
  if (path == "?") return InvalidArgument("unknown split '" + split + "'; known splits: train, validation, test");
  if (path.empty()) return InvalidArgument("the run's configuration has no " + split + " data; give --data FILE");
  return path;
}

std::string CardText(const report::SampleCard& card) {
  std::string text = "\n" + card.before + "\n   [hidden: " + card.hidden + "]\n" + card.after + "\n";
  for (const report::SampleColumn& column : card.columns) {
    text += "  " + column.name + " (log R - log q)\n";
    for (const report::Sample& sample : column.samples) {
      text += "    " + report::FormatFixed(sample.log_reward - sample.log_q, 1) + "  " + sample.text + "\n";
    }
  }
  return text;
}

nlohmann::json CardsToJson(const std::vector<report::SampleCard>& cards) {
  nlohmann::json all = nlohmann::json::array();
  for (const report::SampleCard& card : cards) {
    nlohmann::json columns = nlohmann::json::array();
    for (const report::SampleColumn& column : card.columns) {
      nlohmann::json list = nlohmann::json::array();
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

StatusOr<EvalResult> EvaluateInfill(InfillParts& parts, const EvalRequest& request) {
  ASSIGN_OR_RETURN(const std::string data, DataOf(request, parts.task.data));
  const int64_t samples = request.samples > 0 ? request.samples : parts.settings.evaluation.samples;
  // Of the training data only what was trained on.
  int64_t max_conditions = request.max_conditions;
  const int64_t limit = request.data.empty() && request.split == "train" ? parts.task.data.train_limit : 0;
  if (limit > 0 && (max_conditions <= 0 || max_conditions > limit)) max_conditions = limit;
  ASSIGN_OR_RETURN(const EvaluationResult evaluation, EvaluateSamplers(parts, data, samples, max_conditions));
  EvalResult result;
  result.name = request.data.empty() ? request.split : "data";
  result.table = EvaluationTable(evaluation);
  for (const report::SampleCard& card :
       SampleCards(parts, evaluation, static_cast<size_t>(std::max<int64_t>(0, request.show)), 4)) {
    result.text += CardText(card);
  }
  result.numbers = EvaluationToJson(evaluation);
  result.numbers["step"] = request.step;
  result.numbers["data"] = data;
  // What the report shows: a few samples of each, and every example for the calibration pictures.
  result.pictures["cards"] = CardsToJson(SampleCards(parts, evaluation, 6, 5));
  for (const SamplerResult& sampler : evaluation.samplers) {
    for (const ConditionSamples& condition : sampler.conditions) {
      nlohmann::json points = nlohmann::json::array();
      for (const SampledText& sample : condition.samples) points.push_back({sample.log_q, sample.log_reward});
      result.pictures["points"][sampler.name].push_back(points);
    }
    result.pictures["per_example"][sampler.name] = sampler.metrics;
  }
  return result;
}

}  // namespace gfn
