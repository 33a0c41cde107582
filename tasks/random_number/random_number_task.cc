#include "tasks/random_number/random_number_task.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/text_util.h"
#include "tasks/text/text_evaluation.h"
#include "tasks/text/text_parts.h"

namespace gfn {
namespace {

using nlohmann::json;

// q of each number under the policy: every spelling with every stop, scored together, so that they share their prefixes.
StatusOr<std::vector<double>> ExactProbabilities(const TextParts& parts, const IntegerTerm& numbers, ConditionId condition,
                                                 const Policy& policy) {
  const SequenceSupport& support = parts.environment->support();
  std::vector<std::vector<int32_t>> objects;
  std::vector<size_t> outcome;
  for (int64_t value = numbers.low; value <= numbers.high; ++value) {
    for (const std::vector<int32_t>& inner : Spellings(*parts.tokenizer, support, std::to_string(value))) {
      for (const int64_t stop : support.stop_ids) {
        objects.push_back(inner);
        objects.back().push_back(static_cast<int32_t>(stop));
        outcome.push_back(static_cast<size_t>(value - numbers.low));
      }
    }
  }
  std::vector<double> q(static_cast<size_t>(numbers.high - numbers.low + 1), 0.0);
  if (objects.empty()) return q;
  ASSIGN_OR_RETURN(const TrajectoryBatch batch,
                   MakeTokenBatch(*parts.environment, std::vector<ConditionId>(objects.size(), condition), objects));
  const at::Tensor log_q =
      policy.Score(batch, {.needs = Need::kLogPf, .with_grad = false}).log_pf_BT.to(at::kCPU, at::kDouble).sum(1).contiguous();
  for (size_t i = 0; i < objects.size(); ++i) q[outcome[i]] += std::exp(log_q.const_data_ptr<double>()[i]);
  return q;
}

report::Figure Shares(const IntegerTerm& numbers, const std::string& name, const json& own) {
  report::LineChart chart;
  chart.x.label = "number";
  chart.y.label = "share of samples";
  report::LineSeries drawn, exact;
  drawn.name = "drawn";
  drawn.hue = report::Hue::kBlue;
  exact.name = "exact q";
  exact.hue = report::Hue::kVermillion;
  exact.dashed = true;
  drawn.y = own.at("drawn").get<std::vector<double>>();
  exact.y = own.at("exact").get<std::vector<double>>();
  for (size_t i = 0; i < drawn.y.size(); ++i) drawn.x.push_back(static_cast<double>(numbers.low) + static_cast<double>(i));
  exact.x = drawn.x;
  chart.y_marks = {{1 / static_cast<double>(drawn.y.size()), "uniform"}};
  chart.series = {std::move(drawn), std::move(exact)};
  report::Figure figure;
  figure.title = "Numbers of the sampler " + name;
  figure.chart = std::move(chart);
  figure.how_to_read = "A perfect sampler gives every number the same share.";
  return figure;
}

class RandomNumberKind : public TextKindOf<RandomNumberConfig> {
 public:
  using TextKindOf::TextKindOf;
  TextWords Words() const override {
    return {.subtitle = "A sampler of uniform numbers: how many of its samples are numbers in range, and how uniform they are",
            .examples = "prompts",
            .object = "number",
            .log_z = "the log of the sum of R(Z)"};
  }
  std::vector<TextMetric> Metrics() const override {
    return {{"valid", "valid", 4},
            {"q_valid", "q(valid)", 4},
            {"kl", "KL to uniform", 5},
            {"kl_exact", "exact KL", 5},
            {"kl_expected", "KL of a perfect sampler", 5, false}};
  }
  StatusOr<Measured> Measure(const TextParts& parts, const TextExample&, const Policy& policy,
                             const ConditionSamples& samples) const override {
    const IntegerTerm& numbers = *config().Numbers();
    std::vector<double> drawn(static_cast<size_t>(numbers.high - numbers.low + 1), 0.0);
    double valid = 0;
    for (const SampledText& sample : samples.samples) {
      const auto value = ExactInteger(numbers, DecodeAsItStands(*parts.tokenizer, sample.tokens));
      if (!value) continue;
      ++valid;
      ++drawn[static_cast<size_t>(*value - numbers.low)];
    }
    ASSIGN_OR_RETURN(const std::vector<double> exact, ExactProbabilities(parts, numbers, samples.condition, policy));
    const double num_samples = static_cast<double>(samples.samples.size());
    Measured measured;
    measured.metrics["valid"] = valid / num_samples;
    double q_valid = 0;
    for (const double q : exact) q_valid += q;
    measured.metrics["q_valid"] = q_valid;
    measured.metrics["kl_exact"] = KlToUniform(exact);
    if (valid > 0) {
      measured.metrics["kl"] = KlToUniform(drawn);
      // Of so many draws from the uniform distribution itself, to first order.
      measured.metrics["kl_expected"] = static_cast<double>(drawn.size() - 1) / (2 * valid);
    }
    for (double& count : drawn) count /= num_samples;
    measured.pictures = {{"drawn", drawn}, {"exact", exact}};
    return measured;
  }
  void AddToReport(const json& evaluation, report::Section& section) const override {
    if (!evaluation.contains("own")) return;
    for (const std::string& name : SamplerNames(evaluation)) {
      if (evaluation["own"].contains(name))
        section.blocks.push_back(Shares(*config().Numbers(), name, evaluation["own"][name][0]));
    }
  }
};

}  // namespace

std::vector<std::vector<int32_t>> Spellings(const Tokenizer& tokenizer, const SequenceSupport& support, std::string_view text) {
  // By the first characters that are still to be written, from the end of the text on.
  std::vector<std::vector<std::vector<int32_t>>> from(text.size() + 1);
  from[text.size()] = {{}};
  std::vector<std::pair<int32_t, std::string_view>> pieces;
  const auto num_tokens = static_cast<int32_t>(std::min<int64_t>(support.vocab_size, tokenizer.vocab_size()));
  for (int32_t id = 0; id < num_tokens; ++id) {
    const bool is_stop = std::ranges::find(support.stop_ids, id) != support.stop_ids.end();
    const std::string_view bytes = tokenizer.TokenBytes(id);
    if (support.legal[id] && !is_stop && !bytes.empty() && text.find(bytes) != std::string_view::npos)
      pieces.emplace_back(id, bytes);
  }
  for (size_t at = text.size(); at-- > 0;) {
    for (const auto& [id, bytes] : pieces) {
      if (!text.substr(at).starts_with(bytes)) continue;
      for (const std::vector<int32_t>& rest : from[at + bytes.size()]) {
        std::vector<int32_t>& tokens = from[at].emplace_back(1, id);
        tokens.insert(tokens.end(), rest.begin(), rest.end());
      }
    }
  }
  std::erase_if(from[0], [&](const std::vector<int32_t>& tokens) { return !support.Contains(tokens); });
  return std::move(from[0]);
}

double KlToUniform(const std::vector<double>& weights) {
  double sum = 0, kl = 0;
  for (const double weight : weights) sum += weight;
  for (const double weight : weights) {
    if (weight > 0) kl += weight / sum * std::log(weight / sum * static_cast<double>(weights.size()));
  }
  return kl;
}

std::unique_ptr<TextKind> MakeTextKind(const RandomNumberConfig& config) { return std::make_unique<RandomNumberKind>(config); }

}  // namespace gfn
