#include "tasks/subjectivity/subjectivity_task.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/text_util.h"
#include "tasks/text/text_parts.h"

namespace gfn {
namespace {

class SubjectivityKind : public TextKindOf<SubjectivityConfig> {
 public:
  using TextKindOf::TextKindOf;
  TextWords Words() const override {
    return {.subtitle = "A sampler of rationales: how far its samples are from the true posterior, and how well they tell the label",
            .examples = "reviews",
            .object = "rationale",
            .log_z = "log p(Y|X)"};
  }
  StatusOr<SequenceCondition> Encode(const Tokenizer& tokenizer, const std::string& prompt_template,
                                     const TextExample& example) const override {
    if (example.y.empty()) return TextKind::Encode(tokenizer, prompt_template, example);  // to be labelled
    if (std::ranges::find(config().labels, example.y) == config().labels.end()) {
      return InvalidArgument("the label '" + example.y + "' is none of task.labels: " + Join(config().labels, ", "));
    }
    TextExample answered = example;
    answered.y = Answer(example.y);
    ASSIGN_OR_RETURN(SequenceCondition condition, TextKind::Encode(tokenizer, prompt_template, answered));
    for (const std::string& label : config().labels) {
      if (label != example.y) condition.rivals.push_back(EncodeContinuation(tokenizer, Answer(label)));
    }
    return condition;
  }
  double RivalPenalty() const override { return config().wrong_label_penalty; }

  std::vector<TextMetric> Metrics() const override {
    return {{"accuracy", "right", 3}, {"vote", "right by vote", 3}, {"p_label", "p(label)", 3}};
  }
  // A rationale votes for the label that the frozen model finds likeliest behind it. That is what the reward compares: the
  // penalty says whether the true label lost.
  StatusOr<Measured> Measure(const TextParts& parts, const TextExample& example, const Policy&,
                             const ConditionSamples& samples) const override {
    if (example.y.empty()) return Measured{};
    ASSIGN_OR_RETURN(const std::vector<std::vector<double>> log_p, LabelLogLikelihoods(parts, example, samples));
    const size_t truth = static_cast<size_t>(std::ranges::find(config().labels, example.y) - config().labels.begin());
    std::vector<int64_t> votes(config().labels.size());
    double p_label = 0;
    for (const std::vector<double>& of_labels : log_p) {
      const double best = *std::ranges::max_element(of_labels);
      ++votes[static_cast<size_t>(std::ranges::max_element(of_labels) - of_labels.begin())];
      double sum = 0;
      for (const double x : of_labels) sum += std::exp(x - best);
      p_label += std::exp(of_labels[truth] - best) / sum;
    }
    const double num_samples = static_cast<double>(log_p.size());
    Measured measured;
    measured.metrics["accuracy"] = static_cast<double>(votes[truth]) / num_samples;
    // Of labels with as many votes none is preferred: each is right in its share of cases.
    const int64_t most = *std::ranges::max_element(votes);
    measured.metrics["vote"] = votes[truth] == most ? 1.0 / static_cast<double>(std::ranges::count(votes, most)) : 0.0;
    measured.metrics["p_label"] = p_label / num_samples;
    return measured;
  }

 private:
  std::string Answer(const std::string& label) const { return FillTemplate(config().answer, {{"{Y}", label}}).text; }

  // [samples][labels]: log p(answer with that label | x z stop) of the frozen model.
  StatusOr<std::vector<std::vector<double>>> LabelLogLikelihoods(const TextParts& parts, const TextExample& example,
                                                                 const ConditionSamples& samples) const {
    std::vector<std::vector<int32_t>> objects;
    for (const SampledText& sample : samples.samples) {
      objects.push_back(sample.tokens);
      objects.back().push_back(static_cast<int32_t>(sample.stop));
    }
    SequenceConditionTable conditions;
    ASSIGN_OR_RETURN(const auto environment, SequenceEnvironment::Create(parts.environment->support(), conditions, "labels", {}));
    const LikelihoodReward likelihood(*parts.model, *environment, "", {});
    std::vector<std::vector<double>> log_p(objects.size());
    for (const std::string& label : config().labels) {
      TextExample labelled = example;
      labelled.y = label;
      ASSIGN_OR_RETURN(SequenceCondition condition, Encode(*parts.tokenizer, config().prompt, labelled));
      ASSIGN_OR_RETURN(const ConditionId id, InsertCondition(conditions, std::move(condition)));
      ASSIGN_OR_RETURN(TrajectoryBatch batch, MakeTokenBatch(*environment, std::vector<ConditionId>(objects.size(), id), objects));
      ASSIGN_OR_RETURN(const RewardValue value, likelihood.LogReward(batch));
      const at::Tensor of_label = value.terms.at("log_p_y").contiguous();
      for (size_t i = 0; i < objects.size(); ++i) log_p[i].push_back(of_label.const_data_ptr<double>()[i]);
    }
    return log_p;
  }
};

}  // namespace

std::unique_ptr<TextKind> MakeTextKind(const SubjectivityConfig& config) { return std::make_unique<SubjectivityKind>(config); }

}  // namespace gfn
