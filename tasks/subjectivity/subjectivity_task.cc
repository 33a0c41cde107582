#include "tasks/subjectivity/subjectivity_task.h"

#include <algorithm>

#include "gflownet/base/text_util.h"
#include "llm/gfn/ending_likelihood.h"
#include "tasks/text/text_parts.h"

namespace gfn {
namespace {

class SubjectivityKind : public TextKindOf<SubjectivityConfig> {
 public:
  using TextKindOf::TextKindOf;
  TextWords Words() const override {
    return {
        .subtitle = "A sampler of rationales: how far its samples are from the true posterior, and how well they tell the label",
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
    return {{"accuracy", "right", 3},
            {"vote", "right by vote", 3},
            {"p_label", "p(label)", 3},
            {"fitted_accuracy", "fitted right", 3},
            {"fitted_vote", "fitted right by vote", 3},
            {"fitted_p_label", "fitted p(label)", 3}};
  }
  // A rationale votes for the label that a model finds likeliest behind it: the frozen one, and the fitted one where there is
  // one.
  StatusOr<Measured> Measure(const TextParts& parts, const TextExample& example, const Policy&,
                             const ConditionSamples& samples) const override {
    Measured measured;
    if (example.y.empty()) return measured;
    std::vector<std::vector<int32_t>> objects;
    for (const SampledText& sample : samples.samples) {
      objects.push_back(sample.tokens);
      objects.back().push_back(static_cast<int32_t>(sample.stop));
    }
    ASSIGN_OR_RETURN(const TrajectoryBatch batch,
                     MakeTokenBatch(*parts.environment, std::vector<ConditionId>(objects.size(), samples.condition), objects));
    const auto add = [&](const std::string& prefix, const Adapter* adapter) {
      AddVotes(prefix,
               EndingLogLikelihoods(*parts.model, *parts.environment, batch,
                                    {.adapter = adapter, .with_grad = false, .dropout_key = {}}),
               measured);
    };
    add("", nullptr);
    if (parts.answer_model != nullptr) add("fitted_", parts.answer_adapter());
    return measured;
  }

 private:
  std::string Answer(const std::string& label) const { return FillTemplate(config().answer, {{"{Y}", label}}).text; }

  // Of log p(answer | x z) behind each rationale, [samples, labels], the true label first.
  static void AddVotes(const std::string& prefix, const at::Tensor& log_p_NE, Measured& measured) {
    const at::Tensor votes_E = at::one_hot(log_p_NE.argmax(1), log_p_NE.size(1)).sum(0);
    const int64_t votes = votes_E[0].item<int64_t>(), most = votes_E.max().item<int64_t>();
    measured.metrics[prefix + "accuracy"] = static_cast<double>(votes) / static_cast<double>(log_p_NE.size(0));
    // Of labels with as many votes none is preferred: each is right in its share of cases.
    measured.metrics[prefix + "vote"] = votes == most ? 1 / votes_E.eq(most).sum().item<double>() : 0.0;
    measured.metrics[prefix + "p_label"] = log_p_NE.softmax(1).select(1, 0).mean().item<double>();
  }
};

}  // namespace

std::unique_ptr<TextKind> MakeTextKind(const SubjectivityConfig& config) { return std::make_unique<SubjectivityKind>(config); }

}  // namespace gfn
