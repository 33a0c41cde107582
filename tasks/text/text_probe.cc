#include "tasks/text/text_probe.h"

#include "gflownet/base/phase.h"
#include "gflownet/core/rollout_checks.h"
#include "gflownet/tensor/random.h"
#include "tasks/text/text_reference.h"

namespace gfn {

StatusOr<TrajectoryBatch> ListedObjects(const TextParts& parts, const std::vector<ConditionId>& conditions) {
  const TokenRules& rules = parts.environment->rules();
  const SequenceSupport& support = rules.support();
  std::vector<at::Tensor> members;  // of each class
  for (int32_t c = 0; c < rules.num_classes(); ++c) members.push_back(rules.class_V(c).nonzero().squeeze(1));
  std::vector<ConditionId> ids;
  std::vector<std::vector<int32_t>> objects;
  const RngKey key{1, RngPurpose::kTest, 1};
  for (const int64_t length : {support.min_len, (support.min_len + support.max_len) / 2, support.max_len}) {
    for (const ConditionId id : conditions) {
      const auto stream = static_cast<uint64_t>(objects.size());
      ids.push_back(id);
      std::vector<int32_t>& tokens = objects.emplace_back();
      // As long as asked for, and longer where it may not end there.
      const auto draw = [&](int64_t num) { return UniformInt(key, stream, static_cast<uint64_t>(tokens.size()), num); };
      for (;;) {
        const TokenChoice choice = rules.After(parts.conditions.Get(id), tokens);
        if (choice.stop_legal && (static_cast<int64_t>(tokens.size()) >= length || choice.token_class == TokenChoice::kNone))
          break;
        if (choice.forced != TokenChoice::kNone) {
          tokens.push_back(choice.forced);
        } else {
          const at::Tensor& from = members[choice.token_class];
          tokens.push_back(static_cast<int32_t>(from[draw(from.numel())].item<int64_t>()));
        }
      }
      tokens.push_back(static_cast<int32_t>(support.stop_ids[draw(static_cast<int64_t>(support.stop_ids.size()))]));
    }
  }
  return MakeTokenBatch(*parts.environment, ids, objects);
}

void PerturbAdapter(TextParts& parts, const TrajectoryBatch& batch) {
  const ScoreOptions plain{.needs = Need::kLogPf, .with_grad = false};
  const at::Tensor base = parts.untrained->Score(batch, plain).log_pf_BT;
  double size = 1e-4;
  for (uint64_t attempt = 0; attempt < 16; ++attempt, size *= 2) {
    {
      const at::NoGradGuard no_grad;
      uint64_t stream = 0;
      for (auto& layer : parts.adapter.layers) {
        for (LoraGroup& group : layer) {
          for (LoraPart& part : group.parts) {
            const at::Tensor noise = NormalTensor({1, RngPurpose::kTest, attempt}, part.b.sizes(), at::kFloat, ++stream);
            part.b.add_(noise.to(part.b.device(), part.b.scalar_type()), size);
          }
        }
      }
      parts.parameters.RaiseVersion();
    }
    if (LargestDifference(parts.policy->Score(batch, plain).log_pf_BT, base) > 2 * kVisible) return;
  }
}

StatusOr<TextProbe> MakeProbe(const ExaminedSampler& sampler, const TrajectoryBatch& listed,
                              const std::vector<ConditionId>& conditions, int64_t rollouts) {
  const Phase phase("sample");
  TextProbe probe;
  probe.rows = RolloutRows(conditions, rollouts);
  ASSIGN_OR_RETURN(probe.drawn, Rollout(*sampler.environment, *sampler.policy, probe.rows, kProbeKey));
  AddPhaseWork("positions", probe.drawn.lengths_B.sum().item<double>());
  // The first drawn object of each condition, left in the middle: the forests of scorer and reward share that part.
  std::vector<RolloutRow> sharing;
  for (size_t c = 0; c < conditions.size(); ++c) {
    const PlainObject first = ObjectOf(probe.drawn, static_cast<int64_t>(c) * rollouts);
    sharing.push_back({conditions[c], 1000 + c, {}, {}});
    sharing.back().prefix.assign(first.inner.begin(), first.inner.begin() + static_cast<int64_t>(first.inner.size() + 1) / 2);
  }
  ASSIGN_OR_RETURN(const TrajectoryBatch shared, Rollout(*sampler.environment, *sampler.policy, sharing, kProbeKey));
  probe.all = Concatenate({listed, shared, probe.drawn});
  const int64_t num_conditions = static_cast<int64_t>(conditions.size()), drawn = 4 * num_conditions;
  for (int64_t row = 0; row <= drawn; ++row) probe.plain.push_back(row);
  // The shortest of the last condition, the longest of the first, one that shares and the one it shares with.
  probe.plain_reward = {num_conditions - 1, 2 * num_conditions, 3 * num_conditions, drawn};
  return probe;
}

}  // namespace gfn
