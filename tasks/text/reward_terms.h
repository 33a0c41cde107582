// The parts of a reward that look at texts, and their sum with the likelihood.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/core/reward.h"
#include "llm/gfn/likelihood_reward.h"
#include "llm/gfn/sequence_environment.h"
#include "llm/tokenizer/tokenizer.h"
#include "tasks/text/reward_config.h"

namespace gfn {

// A hidden text that ends here: a finished object, or what stopping earlier would have made of it.
struct EndedText {
  const SequenceCondition* condition = nullptr;
  std::span<const int32_t> inner;
  int64_t stop = -1;  // -1: it ends by its length
  std::string text;   // of the inner tokens, as it stands
};

// A function of ended texts in nats; of the same texts always the same values.
class TextTerm {
 public:
  virtual ~TextTerm() = default;
  // [texts], finite. Errors name the term's program or pattern.
  virtual StatusOr<std::vector<double>> Values(const std::vector<EndedText>& texts) const = 0;
  // All that decides the values.
  virtual std::string Digest() const = 0;
};

// The integer that a text is, if it is one in the term's range; "007", "+7", " 7" and "-0" are none.
std::optional<int64_t> ExactInteger(const IntegerTerm& term, std::string_view text);
// What a text gets that is not as a term wants it.
double OtherwiseOf(double otherwise, bool per_token, const EndedText& text);

struct NamedTextTerm {
  std::string name;
  double weight = 1;
  std::unique_ptr<const TextTerm> term;
};

// The terms other than the likelihood. `tokenizer` has to outlive them. InvalidArgument for a program that does not start.
StatusOr<std::vector<NamedTextTerm>> MakeTextTerms(const std::vector<RewardTermConfig>& terms, const Tokenizer& tokenizer);
// The sum of the weights of its likelihood terms; 0: there is none.
double LikelihoodWeight(const std::vector<RewardTermConfig>& terms);

// weight * likelihood + the sum of the text terms, at every prefix where stopping is legal. Terms by name: those of the
// likelihood and each text term, with their weights, so that they add up.
class SumOfTermsReward : public PrefixReward {
 public:
  // `likelihood` may be null; its value is multiplied with `likelihood_weight`. `terms` has to outlive the reward.
  SumOfTermsReward(std::unique_ptr<const LikelihoodReward> likelihood, double likelihood_weight,
                   const std::vector<NamedTextTerm>& terms, const SequenceEnvironment& environment, const Tokenizer& tokenizer);

  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override;
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override;
  std::string Digest() const override;

 private:
  // Adds the text terms to `value`, whose along_BT is there already.
  Status AddTerms(const TrajectoryBatch& batch, bool every_prefix, RewardValueAlong& value) const;

  std::unique_ptr<const LikelihoodReward> likelihood_;
  double likelihood_weight_;
  const std::vector<NamedTextTerm>& terms_;
  const SequenceEnvironment& environment_;
  const Tokenizer& tokenizer_;
};

// The weighted sum of the text terms of one text, for doctor's plain road.
StatusOr<double> PlainTextTerms(const std::vector<NamedTextTerm>& terms, const EndedText& text);

}  // namespace gfn
