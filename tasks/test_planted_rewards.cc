// Wrong rewards, and what wrong samplers share with them.
#include <algorithm>

#include "gflownet/tensor/random.h"
#include "tasks/test_planted_text.h"

namespace gfn {

// Every factor of the adapter, by its number.
void ForEachFactor(Adapter& adapter, const std::function<void(size_t, at::Tensor&)>& function) {
  size_t i = 0;
  for (auto& layer : adapter.layers) {
    for (LoraGroup& group : layer) {
      if (!group.a.defined()) continue;
      function(i++, group.a);
      for (LoraPart& part : group.parts) function(i++, part.b);
    }
  }
}

ConditionId NextCondition(const TextParts& parts, ConditionId id) {
  const std::vector<ConditionId>& ids = parts.conditions.ids();
  return ids[static_cast<size_t>(parts.conditions.Index(id) + 1) % ids.size()];
}

at::Tensor ShiftedLogits(const LanguageModel& model, const Adapter* adapter, const std::vector<int32_t>& context,
                         const std::vector<int32_t>& inner, size_t shifted_from, int64_t shift) {
  std::vector<int32_t> tokens = context;
  tokens.insert(tokens.end(), inner.begin(), inner.end());
  Forest forest;
  forest.AddRoot(tokens);
  PackedForest packed = PackForest(forest);
  for (size_t i = shifted_from; i < tokens.size(); ++i) packed.positions[i] += static_cast<int32_t>(shift);
  std::vector<int64_t> rows;
  for (size_t i = context.size() - 1; i < tokens.size(); ++i) rows.push_back(static_cast<int64_t>(i));
  return model.Logits(model.Forward(packed, rows, {.adapter = adapter, .with_grad = false, .dropout_key = {}}));
}

StatusOr<RewardValueAlong> PlainReward::LogRewardAlong(const TrajectoryBatch& batch) const {
  const SequenceSupport& support = parts_.environment->support();
  RewardValueAlong value;
  value.log_reward_along_BT = at::zeros({batch.size(), batch.num_steps()}, at::kDouble);
  at::Tensor total_B = at::zeros({batch.size()}, at::kDouble);
  for (int64_t row = 0; row < batch.size(); ++row) {
    const PlainObject object = ObjectOf(batch, row);
    const ConditionId id = mistakes_.condition != nullptr ? mistakes_.condition(parts_, object.condition) : object.condition;
    const SequenceCondition& condition = parts_.conditions.Get(id);
    const std::vector<int32_t>& x = mistakes_.reads_prompt ? condition.prompt : condition.x;
    const int64_t n = static_cast<int64_t>(object.inner.size());
    for (int64_t k = 0; k <= n; ++k) {
      if (!batch.stop_legal_BT[row][k].item<bool>()) continue;
      const auto stop = static_cast<int32_t>(object.stop);
      // log p(z_1..k stop | x), then log p(y | x z_1..j stop) with j = k where y stands right.
      const std::vector<int32_t> z(object.inner.begin(), object.inner.begin() + k);
      const at::Tensor logits = ShiftedLogits(*parts_.model, mistakes_.adapter, x, z, x.size() + 1, mistakes_.position);
      double sum = 0;
      if (mistakes_.renormalised) {
        sum = LogQOf(logits, *parts_.environment, {id, z, object.stop}).log_pf_T.sum().item<double>();
      } else {
        const at::Tensor log_p = logits.to(at::kCPU, at::kDouble).log_softmax(-1);
        for (int64_t i = 0; i < k; ++i) sum += log_p[i][z[static_cast<size_t>(i)]].item<double>();
        const bool is_left_out = mistakes_.no_stop || (mistakes_.no_forced_stop && k == support.max_len);
        if (!is_left_out) sum += log_p[k][stop].item<double>();
      }
      std::vector<int32_t> before = x;
      before.insert(before.end(), z.begin(), z.end() - std::min<int64_t>(mistakes_.y_behind, k));
      before.push_back(stop);
      const std::vector<int32_t> read(condition.y.begin(), condition.y.end() - (condition.y.empty() ? 0 : 1));
      const at::Tensor log_p = ShiftedLogits(*parts_.model, mistakes_.adapter, before, read, x.size() + 1, mistakes_.position)
                                   .to(at::kCPU, at::kDouble)
                                   .log_softmax(-1);
      for (size_t i = 0; i < condition.y.size(); ++i) sum += log_p[static_cast<int64_t>(i)][condition.y[i]].item<double>();
      value.log_reward_along_BT[row][k] = sum;
      if (k == n) total_B[row] = sum;
    }
  }
  value.terms = {{"log_p", total_B}};
  return value;
}

std::vector<TextMistake> RewardMistakes() {
  const auto plain = [](const PlainRewardMistakes& mistakes) {
    return [=](TextParts& parts, PlantedText& planted) { planted.sampler.reward = &planted.Make<PlainReward>(parts, mistakes); };
  };
  const auto other = [](const OtherReward::ChangeAlong& along, const OtherReward::ChangeWhole& whole) {
    return [=](TextParts& parts, PlantedText& planted) {
      planted.sampler.reward = &planted.Make<OtherReward>(dynamic_cast<const PrefixReward&>(*parts.reward), along, whole);
    };
  };
  const auto of_adapter = [](bool is_own) {
    return [=](TextParts& parts, PlantedText& planted) {
      LikelihoodRewardOptions options;
      options.adapter = &parts.adapter;
      if (!is_own) {
        auto adapter = std::make_shared<Adapter>(parts.adapter);
        ForEachFactor(*adapter, [](size_t i, at::Tensor& factor) {
          factor = NormalTensor({2, RngPurpose::kTest, 0}, factor.sizes(), at::kFloat, i).to(factor.scalar_type()).mul_(0.1);
        });
        options.adapter = adapter.get();
        planted.pieces.push_back(adapter);
      }
      planted.sampler.reward = &planted.Make<LikelihoodReward>(*parts.model, *parts.environment, "with an adapter", options);
    };
  };
  const auto tempered = [](at::Tensor& values) { values = values / 0.8; };
  return {
      {"the reward is that of the adapted model", of_adapter(true)},
      {"the reward is that of another adapter", of_adapter(false)},
      {"the stop is missing from R", plain({.no_stop = true})},
      {"the stop is missing from R where it is forced", plain({.no_forced_stop = true})},
      {"R is renormalised over the sampler's support", plain({.renormalised = true})},
      {"R reads the policy's prompt", plain({.reads_prompt = true})},
      {"y stands behind the prefix before", plain({.y_behind = 1})},
      {"positions behind the first hidden token are off by one in R", plain({.position = 1})},
      {"R reads another condition's texts", plain({.condition = NextCondition})},
      {"R of two rows is exchanged",
       other([](const TrajectoryBatch&,
                RewardValueAlong& value) { value.log_reward_along_BT = value.log_reward_along_BT.roll({1}, {0}); },
             {})},
      {"the temperature is applied by the reward too", other(
                                                           [=](const TrajectoryBatch&, RewardValueAlong& value) {
                                                             tempered(value.log_reward_along_BT);
                                                             for (auto& [name, term_B] : value.terms) tempered(term_B);
                                                           },
                                                           [=](const TrajectoryBatch&, RewardValue& value) {
                                                             tempered(value.log_reward_B);
                                                             for (auto& [name, term_B] : value.terms) tempered(term_B);
                                                           })},
      {"R of whole objects leaves a term out",
       other({}, [](const TrajectoryBatch&,
                    RewardValue& value) { value.log_reward_B = value.log_reward_B - value.terms.begin()->second; })},
      {"a term of R that people read is another's",
       other([](const TrajectoryBatch&, RewardValueAlong& value) { value.terms["log_p_stop"] = value.terms["log_p_y"]; }, {})},
  };
}

}  // namespace gfn
