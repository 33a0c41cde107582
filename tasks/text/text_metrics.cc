#include "tasks/text/text_metrics.h"

#include <algorithm>
#include <span>

#include "llm/metrics/bleu.h"
#include "llm/metrics/diversity.h"
#include "llm/metrics/tokens.h"

namespace gfn {
namespace {

struct SharedMetric {
  TextMetric metric;
  double (ConditionSamples::*of)() const =
      nullptr;  // null: of the samples' words (MeasureWords), or of exact draws (text_simulated.h)
  bool in_training = false;
  bool needs_density = false;  // log q of the samples has to be how probable they were
};

const std::vector<SharedMetric>& SharedMetrics() {
  using Samples = ConditionSamples;
  static const std::vector<SharedMetric> metrics = {
      {{"elbo", "ELBO", 2}, &Samples::Elbo, true, true},
      {{"iw_bound", "IW bound", 2}, &Samples::IwBound, true, true},
      {{"iw_upper", "IW upper bound", 2}},
      {{"eubo", "EUBO", 2}},
      {{"kl_q_p", "KL(q|p) at most", 2}},
      {{"kl_p_q", "KL(p|q) at most", 2}},
      {{"spread", "spread", 2}, &Samples::Spread, true, true},
      {{"ess", "ESS", 1}, &Samples::Ess, false, true},
      {{"log_reward", "E log R", 1}, &Samples::MeanLogReward, true},
      {{"length", "length", 1}, &Samples::MeanLength, true},
      {{"distinct_1", "distinct-1", 3, false}},
      {{"distinct_2", "distinct-2", 3}},
      {{"self_bleu", "self-BLEU", 3}},
      {{"bleu4", "BLEU-4", 3}},
      {{"gleu4", "GLEU-4", 3}},
  };
  return metrics;
}

// Comparing samples with each other takes time that grows with the square of their number: the first so many count.
constexpr size_t kMostCompared = 256;

void MeasureWords(const TextParts& parts, const TextExample& example, std::span<const SampledText> samples,
                  std::map<std::string, double>& metrics) {
  samples = samples.first(std::min(samples.size(), kMostCompared));
  std::vector<TokenSequence> words;
  double bleu = 0, gleu = 0;
  WordNumbering numbering;
  const TokenSequence reference = numbering.Number(example.z);
  for (const SampledText& sample : samples) {
    words.push_back(numbering.Number(DecodeObject(*parts.tokenizer, sample.tokens, sample.stop)));
    bleu += SentenceBleu({&reference, 1}, words.back());
    gleu += SentenceGleu({&reference, 1}, words.back());
  }
  const double n = static_cast<double>(words.size());
  if (!example.z.empty()) {
    metrics["bleu4"] = bleu / n;
    metrics["gleu4"] = gleu / n;
  }
  metrics["distinct_1"] = DistinctN(words, 1).value_or(0);
  metrics["distinct_2"] = DistinctN(words, 2).value_or(0);
  metrics["self_bleu"] = SelfBleu(words).value_or(0);
}

}  // namespace

SamplerEvaluationOptions EvaluationOptions(const TextParts& parts) {
  const EvaluationConfig& config = parts.settings.evaluation;
  SamplerEvaluationOptions options;
  options.num_samples = config.samples;
  options.batch_rows = config.batch_rows;
  options.temperature = parts.kind->EvaluationTemperature(parts.settings);
  return options;
}

std::vector<TextMetric> TextMetrics(const TextKind& kind) {
  std::vector<TextMetric> metrics;
  for (const SharedMetric& shared : SharedMetrics()) metrics.push_back(shared.metric);
  for (TextMetric& own : kind.Metrics()) metrics.push_back(std::move(own));
  return metrics;
}

StatusOr<Measured> MeasureExample(const TextParts& parts, const TextExample& example, const Policy& policy,
                                  const ConditionSamples& samples, bool has_density) {
  ASSIGN_OR_RETURN(Measured measured, parts.kind->Measure(parts, example, policy, samples));
  for (const SharedMetric& shared : SharedMetrics()) {
    if (shared.of != nullptr && (has_density || !shared.needs_density))
      measured.metrics[shared.metric.key] = (samples.*shared.of)();
  }
  MeasureWords(parts, example, samples.samples, measured.metrics);
  return measured;
}

std::vector<std::pair<std::string, double>> TrainingMetrics(const std::vector<ConditionSamples>& conditions) {
  std::vector<std::pair<std::string, double>> means;
  for (const SharedMetric& shared : SharedMetrics()) {
    if (!shared.in_training) continue;
    double sum = 0;
    for (const ConditionSamples& condition : conditions) sum += (condition.*shared.of)();
    means.emplace_back(shared.metric.key, sum / static_cast<double>(conditions.size()));
  }
  return means;
}

}  // namespace gfn
