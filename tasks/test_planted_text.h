// For tests: a small real sampler of texts, and pieces of it that are wrong on purpose.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tasks/test_decorators.h"
#include "tasks/text/text_checks.h"
#include "tasks/text/text_reference.h"

namespace gfn {

// The policy of the parts with other adapters, made anew for every session and every pass.
class AdapterPolicy : public Policy {
 public:
  using Change = std::function<void(Adapter&)>;
  AdapterPolicy(const TextParts& parts, Change sampling, Change scoring)
      : parts_(parts), sampling_(std::move(sampling)), scoring_(std::move(scoring)) {}
  Needs Provides() const override { return parts_.policy->Provides(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    struct Holder : SessionDecorator {
      Holder(std::unique_ptr<Adapter> adapter, std::unique_ptr<RolloutSession> session)
          : SessionDecorator(std::move(session)), adapter(std::move(adapter)) {}
      ~Holder() override { session_.reset(); }
      std::unique_ptr<Adapter> adapter;
    };
    auto adapter = std::make_unique<Adapter>(parts_.adapter);
    if (sampling_) sampling_(*adapter);
    const SequencePolicy policy(*parts_.model, adapter.get(), nullptr, *parts_.environment);
    auto session = policy.StartRollout(conditions_B);
    return std::make_unique<Holder>(std::move(adapter), std::move(session));
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    const at::AutoGradMode grad_mode(options.with_grad);
    Adapter adapter = parts_.adapter;
    if (scoring_) scoring_(adapter);
    return SequencePolicy(*parts_.model, &adapter, nullptr, *parts_.environment).Score(batch, options);
  }

 private:
  const TextParts& parts_;
  Change sampling_, scoring_;
};

// log R by one plain pass a prefix; what is wrong with it is a setting. With none it is right.
struct PlainRewardMistakes {
  bool no_stop = false;         // log p(stop) left out
  bool no_forced_stop = false;  // only where the stop is forced
  bool renormalised = false;    // over the sampler's support
  bool reads_prompt = false;    // the policy's prompt in place of x
  int64_t y_behind = 0;         // y stands so many tokens too early
  int64_t position = 0;         // of everything behind the first hidden token
  const Adapter* adapter = nullptr;
  ConditionId (*condition)(const TextParts&, ConditionId) = nullptr;  // whose texts are read
};
class PlainReward : public PrefixReward {
 public:
  PlainReward(const TextParts& parts, PlainRewardMistakes mistakes) : parts_(parts), mistakes_(mistakes) {}
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override;
  std::string Digest() const override { return "plain"; }

 private:
  const TextParts& parts_;
  PlainRewardMistakes mistakes_;
};

// log p of `targets` behind the context, one after the other, tokens from `shifted_from` on standing `shift` positions too far.
at::Tensor ShiftedLogits(const LanguageModel& model, const Adapter* adapter, const std::vector<int32_t>& context,
                         const std::vector<int32_t>& inner, size_t shifted_from, int64_t shift);

// Every factor of the adapter, by its number.
void ForEachFactor(Adapter& adapter, const std::function<void(size_t, at::Tensor&)>& function);
// The condition after this one, in a circle.
ConditionId NextCondition(const TextParts& parts, ConditionId id);

// A wrong sampler, with everything that it is made of.
struct PlantedText : MadePieces {
  ExaminedSampler sampler;
};

struct TextMistake {
  std::string name;
  std::function<void(TextParts& parts, PlantedText& planted)> plant;
};
// Of the sampler's session and scorer; of the reward; of the training step.
std::vector<TextMistake> SamplerMistakes();
std::vector<TextMistake> RewardMistakes();
std::vector<TextMistake> TrainingMistakes();

}  // namespace gfn
