#include "tasks/arithmetic/arithmetic_task.h"

#include <algorithm>
#include <map>

#include "tasks/arithmetic/calculator.h"
#include "tasks/arithmetic/calculator_rules.h"
#include "tasks/text/text_parts.h"

namespace gfn {
namespace {

// The answer that most samples give; of several the one that was given first.
std::optional<int64_t> Vote(const std::vector<std::optional<int64_t>>& answers) {
  std::map<int64_t, int64_t> votes;
  std::optional<int64_t> winner;
  for (const auto& answer : answers) {
    if (answer) ++votes[*answer];
  }
  for (const auto& answer : answers) {
    if (answer && (!winner || votes[*answer] > votes[*winner])) winner = answer;
  }
  return winner;
}

class ArithmeticKind : public TextKindOf<ArithmeticConfig> {
 public:
  using TextKindOf::TextKindOf;
  TextWords Words() const override {
    return {.subtitle =
                "A sampler of worked solutions: how far its samples are from the true posterior, and how often they lead to "
                "the right answer",
            .examples = "questions",
            .object = "solution",
            .log_z = "log p(Y|X)"};
  }
  StatusOr<TextRules> MakeRules(const TextParts& parts, SequenceSupport support) const override {
    if (!config().calculator.enabled) return TextKind::MakeRules(parts, std::move(support));
    RETURN_IF_ERROR(SupportRules::Create(support).status());
    const int64_t max_operands = config().calculator.max_operands;
    return TextRules{std::make_unique<CalculatorRules>(std::move(support), *parts.tokenizer, max_operands),
                     "calculator of " + std::to_string(max_operands) + " operands"};
  }
  std::vector<TextMetric> Metrics() const override { return {{"accuracy", "right", 3}, {"vote", "right by vote", 3}}; }
  StatusOr<Measured> Measure(const TextParts& parts, const TextExample& example, const Policy&,
                             const ConditionSamples& samples) const override {
    const std::optional<int64_t> truth = LastNumber(example.y);
    if (!truth) return Measured{};
    std::vector<std::optional<int64_t>> answers;
    for (const SampledText& sample : samples.samples)
      answers.push_back(LastNumber(DecodeAsItStands(*parts.tokenizer, sample.tokens)));
    Measured measured;
    measured.metrics["accuracy"] =
        static_cast<double>(std::ranges::count(answers, truth)) / static_cast<double>(std::max<size_t>(1, answers.size()));
    measured.metrics["vote"] = Vote(answers) == truth ? 1 : 0;
    return measured;
  }
};

}  // namespace

std::unique_ptr<TextKind> MakeTextKind(const ArithmeticConfig& config) { return std::make_unique<ArithmeticKind>(config); }

}  // namespace gfn
