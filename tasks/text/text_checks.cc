#include "tasks/text/text_checks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "gflownet/base/memory.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/gradient_checks.h"
#include "gflownet/core/log_z.h"
#include "gflownet/core/objective_check.h"
#include "gflownet/core/rollout_checks.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/tolerances.h"
#include "tasks/text/gradient_distance.h"
#include "tasks/text/text_probe.h"
#include "tasks/text/text_reference.h"
#include "tasks/text/text_task.h"

namespace gfn {
namespace {

struct TextLimits {
  bool same_bits;    // the session's hidden states are those of one plain pass
  double token;      // log q of an action, and log p of a prefix
  double reference;  // log q against float64, as a share of what the adapter does to it
  double gradient;   // of one tensor against float64 (GradientDistance)
};
// docs/design.md, "Sampler = scorer". bf16 rounds what every product of every layer is given: against float64 that is left.
// Devices other than the CPU make sums in another order, which moves bf16's last bits.
TextLimits LimitsOf(const LanguageModel& model) {
  const bool kernels = model.head().packed() != nullptr;
  switch (model.dtype()) {
    case ModelDtype::kFloat64:
      return {false, kTinyModelTolerance.value, 1e-6, 1e-7};
    case ModelDtype::kFloat32:
      return {kernels, kSamplerScorerTolerance.value, 1e-3, 1e-2};
    case ModelDtype::kBFloat16:
      return {kernels, kernels ? kSamplerScorerTolerance.value : ToleranceOf(at::kBFloat16).value, 0.1, 0.3};
  }
  return {};
}

double NumOutsideSupport(const TextParts& parts, const TrajectoryBatch& batch) {
  const TokenRules& rules = parts.environment->rules();
  int64_t outside = 0;
  for (int64_t row = 0; row < batch.size(); ++row) {
    const PlainObject object = ObjectOf(batch, row);
    const bool is_object = rules.WhyNot(parts.conditions.Get(object.condition), object.inner).empty();
    outside += rules.StopIndex(object.stop) >= 0 && is_object ? 0 : 1;
  }
  return static_cast<double>(outside);
}

class TextExaminer {
 public:
  TextExaminer(TextParts& parts, const ExaminedSampler& sampler)
      : parts_(parts), sampler_(sampler), limits_(LimitsOf(*parts.model)) {
    adapter_ = parts.adapter;
    // What the configuration says, not what the sampler at hand does.
    SetScales(parts.adapter_config, adapter_);
  }

  StatusOr<TextFindings> Run(const std::vector<ConditionId>& conditions, int64_t rollouts) {
    KeepParameters keep(parts_.parameters);
    ASSIGN_OR_RETURN(const TrajectoryBatch listed, ListedObjects(parts_, conditions));
    const at::Tensor base_before = BaseLogits(listed);
    PerturbAdapter(parts_, listed);
    ASSIGN_OR_RETURN(probe_, MakeProbe(sampler_, listed, conditions, rollouts));
    const double outside = NumOutsideSupport(parts_, probe_.all);
    Check& support = Add(text_check::kSupport, outside, 0);
    if (outside > 0) {
      support.detail = "nothing else was compared, since log q of such an object is -inf";
      return findings_;
    }
    RETURN_IF_ERROR(CheckScores());
    RETURN_IF_ERROR(CheckRewards());
    RETURN_IF_ERROR(CheckTraining());
    Add(text_check::kBase, NumDifferent(BaseLogits(listed), base_before), 0);
    return findings_;
  }

 private:
  Check& Add(std::string_view name, double found, double allowed) {
    Check& check = findings_.checks.emplace_back();
    check.name = name;
    check.found = found;
    check.allowed = allowed;
    return check;
  }
  static double NumDifferent(const at::Tensor& a, const at::Tensor& b) { return a.ne(b).sum().item<double>(); }
  at::Tensor BaseLogits(const TrajectoryBatch& batch) const {
    const PlainObject object = ObjectOf(batch, 0);
    return PlainLogits(*parts_.model, nullptr, parts_.conditions.Get(object.condition).x, object.inner);
  }
  at::Tensor LogPf(const Policy& policy) const {
    return policy.Score(probe_.all, {.needs = Need::kLogPf, .with_grad = false}).log_pf_BT.to(at::kCPU, at::kDouble);
  }
  // The largest difference between rows of log q [B, T] and what stands in `of` for some of them.
  static void Compare(const at::Tensor& row_T, const at::Tensor& plain_T, double& worst) {
    worst = std::max(worst, LargestDifference(row_T.slice(0, 0, plain_T.size(0)), plain_T));
  }

  Status CheckScores() {
    // Plain passes, with the adapter and without.
    std::map<int64_t, at::Tensor> logits, base_logits;
    for (const int64_t row : probe_.plain) {
      const PlainObject object = ObjectOf(probe_.all, row);
      const std::vector<int32_t>& prompt = parts_.conditions.Get(object.condition).prompt;
      logits[row] = PlainLogits(*parts_.model, &adapter_, prompt, object.inner);
      base_logits[row] = PlainLogits(*parts_.model, nullptr, prompt, object.inner);
    }
    // The session, against them and against the scorer.
    double different = 0, largest = 0;
    const Replay session =
        ReplayThroughSession(*sampler_.environment, *sampler_.policy, probe_.all,
                             [&](int64_t step, const at::Tensor& live_N, const State&, const at::Tensor& logits_NA) {
                               for (int64_t i = 0; i < live_N.numel(); ++i) {
                                 const auto plain = logits.find(live_N[i].item<int64_t>());
                                 if (plain == logits.end()) continue;
                                 different += NumDifferent(logits_NA[i], plain->second[step]);
                                 largest = std::max(largest, LargestDifference(logits_NA[i], plain->second[step]));
                               }
                             });
    if (limits_.same_bits) {
      Add(text_check::kSessionIsPlain, different, 0).detail = "logits that differ in a bit";
    } else {
      Add(text_check::kSessionIsPlain, largest, limits_.token).detail = "logits";
    }
    ASSIGN_OR_RETURN(const Redrawn redrawn,
                     DrawAgain(*sampler_.environment, *sampler_.policy, probe_.drawn, probe_.rows, kProbeKey));
    Add(text_check::kDrawn, redrawn.Share(), parts_.model->device().is_cpu() ? 0 : 0.05);

    TrajectoryScores scores;
    {
      const Phase phase("score");
      Needs needs = Need::kLogPf | Need::kLogStop;
      if (sampler_.policy->Provides().Has(Need::kFingerprint)) needs = needs | Need::kFingerprint;
      scores = sampler_.policy->Score(probe_.all, {.needs = needs, .with_grad = false});
    }
    if (scores.fingerprint_BT.defined()) {
      // The scorer computes nothing where the action is certain.
      const at::Tensor scored = scores.fingerprint_BT.to(at::kCPU);
      const at::Tensor said = session.fingerprint_BT.defined() ? session.fingerprint_BT : at::zeros_like(scored);
      Add(text_check::kHidden, scored.ne(0).logical_and(scored.ne(said)).sum().item<double>(), 0).detail = "of actions";
    }
    const at::Tensor log_pf = scores.log_pf_BT.to(at::kCPU, at::kDouble), log_stop = scores.log_stop_BT.to(at::kCPU, at::kDouble);
    Add(text_check::kSamplerIsScorer,
        std::max(LargestDifference(log_pf, session.log_pf_BT), LargestDifference(log_stop, session.log_stop_BT)), limits_.token);
    Add(text_check::kSequence, LargestDifference(log_pf.sum(1), session.log_pf_BT.sum(1)), limits_.token);
    double plain_error = 0, alone_error = 0, untrained_error = 0, zero_error = 0;
    Adapter zero = adapter_;
    for (auto& layer : zero.layers) {
      for (LoraGroup& group : layer) {
        for (LoraPart& part : group.parts) part.b = at::zeros_like(part.b);
      }
    }
    const SequencePolicy off(*parts_.model, &zero, nullptr, *parts_.environment);
    const at::Tensor untrained = LogPf(*sampler_.untrained), zeros = LogPf(off);
    for (const int64_t row : probe_.plain) {
      const PlainObject object = ObjectOf(probe_.all, row);
      const PlainLogQ plain = LogQOf(logits.at(row), *parts_.environment, object),
                      base = LogQOf(base_logits.at(row), *parts_.environment, object);
      Compare(log_pf[row], plain.log_pf_T, plain_error);
      Compare(log_stop[row], plain.log_stop_T, plain_error);
      Compare(untrained[row], base.log_pf_T, untrained_error);
      Compare(zeros[row], base.log_pf_T, zero_error);
      const TrajectoryScores alone =
          sampler_.policy->Score(probe_.all.Gather(std::vector<int64_t>{row}), {.needs = Need::kLogPf, .with_grad = false});
      Compare(log_pf[row], alone.log_pf_BT[0].to(at::kCPU, at::kDouble), alone_error);
    }
    Add(text_check::kScorerIsPlain, plain_error, limits_.token);
    Add(text_check::kRowsAlone, alone_error, limits_.token);
    Add(text_check::kAdapterReaches, LargestDifference(log_pf, untrained), kVisible).at_least = true;
    Add(text_check::kZeroAdapter, zero_error, limits_.token);
    Add(text_check::kUntrained, untrained_error, limits_.token);
    log_pf_ = log_pf;
    return OkStatus();
  }

  Status CheckRewards() {
    const Phase phase("reward");
    const bool along = dynamic_cast<const PrefixReward*>(sampler_.reward) != nullptr;
    RETURN_IF_ERROR(EvaluateReward(*sampler_.reward, probe_.all, along));
    double worst = 0;
    for (const int64_t row : probe_.plain_reward) {
      const PlainObject object = ObjectOf(probe_.all, row);
      const int64_t n = static_cast<int64_t>(object.inner.size());
      const auto choices = parts_.environment->rules().Along(parts_.conditions.Get(object.condition), object.inner);
      for (int64_t k = along ? 0 : n; k <= n; ++k) {
        if (!choices[k].stop_legal) continue;
        ASSIGN_OR_RETURN(const double plain, parts_.kind->PlainLogReward(parts_, object, k));
        const at::Tensor& found = along ? probe_.all.log_reward_along_BT[row][k] : probe_.all.log_reward_B[row];
        const double error = std::abs(plain - found.item<double>()) / std::max(1.0, std::abs(plain));
        worst = std::max(worst, std::isfinite(error) ? error : INFINITY);
      }
    }
    Add(text_check::kReward, worst, std::max(limits_.token, limits_.same_bits ? kSequenceLogRewardTolerance.value : 0));
    if (along) {
      ASSIGN_OR_RETURN(const RewardValue alone, sampler_.reward->LogReward(probe_.all));
      Add(text_check::kRewardAlone, LargestDifference(alone.log_reward_B, probe_.all.log_reward_B), limits_.token);
    }
    at::Tensor sum_B = at::zeros({probe_.all.size()}, at::kDouble);
    for (const auto& [name, term_B] : probe_.all.reward_terms) sum_B = sum_B + term_B.to(at::kDouble);
    Add(text_check::kRewardTerms, LargestDifference(sum_B, probe_.all.log_reward_B), limits_.token);
    return OkStatus();
  }

  // The training step on the drawn objects: the run's own objective, temperature and dropout.
  Status CheckTraining() {
    std::vector<int64_t> drawn;
    for (int64_t row = probe_.all.size() - probe_.drawn.size(); row < probe_.all.size(); ++row) drawn.push_back(row);
    const TrajectoryBatch batch = probe_.all.Gather(drawn);
    ParameterSet log_z;
    std::optional<LogZPolicy> with_log_z;
    const Policy* policy = sampler_.policy;
    if (sampler_.objective->needs().Has(Need::kLogZ)) {
      policy = &with_log_z.emplace(*policy, parts_.conditions, log_z, at::Tensor());
    }
    ObjectiveSetting setting = SettingOf(*parts_.environment, *policy, *sampler_.reward);
    setting.rollouts = batch.size();
    setting.has_given = true;
    RETURN_IF_ERROR(CheckObjective(*sampler_.objective, setting));

    BatchLossOptions options{.temperature = parts_.settings.train.trainer.reward_temperature.end};
    options.score.dropout_key.seed = static_cast<uint64_t>(parts_.settings.seed);
    const BatchLoss at = [&] {
      const Phase phase("score");
      return LossOfBatch(*parts_.environment, *policy, *sampler_.objective, batch, options);
    }();
    ASSIGN_OR_RETURN(const GradientError objective, CompareObjectiveWithDifferences(*sampler_.objective, at));
    Add(text_check::kObjective, objective.value, 1e-5).detail = objective.tensors;
    const double right = LossOfTheRightSampler(*parts_.environment, *policy, *sampler_.objective, batch, options);
    if (right >= 0) Add(text_check::kRight, right, 1e-5 * std::max(1.0, options.temperature)).detail = "nats";

    const LinearLoss loss(*sampler_.objective, at);
    const auto gradients = [&] {
      parts_.parameters.ZeroGrad();
      const at::Tensor value = loss.Value(*policy, batch, options.score);
      const Phase phase("backward");
      if (value.requires_grad()) value.backward();
      std::vector<at::Tensor> all;
      for (const Parameter& parameter : parts_.parameters) all.push_back(parameter.value.grad());
      parts_.parameters.ZeroGrad();
      return all;
    };
    const std::vector<at::Tensor> found = gradients();
    const bool coarse = parts_.model->dtype() == ModelDtype::kBFloat16;
    const std::vector<double> noise =
        coarse ? GradientNoise(parts_.parameters, found, gradients) : std::vector<double>(found.size(), 0);
    return CheckAgainstFloat64(batch, loss, found, noise, options.score);
  }

  // The model in float64 says what rounding hides: the gradient of every tensor, its finite differences, the adapter's share.
  Status CheckAgainstFloat64(const TrajectoryBatch& batch, const LinearLoss& loss, const std::vector<at::Tensor>& gradients,
                             const std::vector<double>& noise, const ScoreOptions& score) {
    const Phase phase("float64");
    ASSIGN_OR_RETURN(const auto reference, MakeReference(parts_, findings_.not_checked));
    if (reference == nullptr) return CheckWithoutReference(batch, loss, score);
    ParameterSet& parameters = reference->parameters;
    const auto value = [&] { return loss.Value(*reference->policy, batch, score); };
    value().backward();
    double worst = 0;
    std::string where;
    for (size_t i = 0; i < parameters.size(); ++i) {
      // A distance that rounding explains counts by that much less.
      const double error = GradientDistance(gradients[i], parameters[i].value.grad()) / std::max(1.0, 10 * noise[i]);
      if (error <= worst) continue;
      worst = std::isfinite(error) ? error : INFINITY;
      where = parameters[i].name;
    }
    Add(text_check::kGradient, worst, limits_.gradient).detail = where;
    ASSIGN_OR_RETURN(const GradientError differences,
                     CompareWithDifferences(parameters, value, {.step = 1e-4, .enough = 1e-4, .directions = 4}));
    Add(text_check::kDifferences, differences.value, 1e-4).detail = differences.value > 1e-4 ? differences.tensors : "";
    CheckMerged(*reference);
    return OkStatus();
  }

  // Once the adapter is written into the weights of the copy, that is the sampler: how far log q is from it, as a share of what
  // the adapter does to log q there, which rounding of the activations leaves comparable.
  void CheckMerged(ReferenceModel& reference) {
    std::map<int64_t, at::Tensor> base;
    const auto log_pf_of = [&](int64_t row) {
      const PlainObject object = ObjectOf(probe_.all, row);
      const std::vector<int32_t>& prompt = parts_.conditions.Get(object.condition).prompt;
      const at::Tensor logits = PlainLogits(*reference.model, nullptr, prompt, object.inner);
      return LogQOf(logits, *parts_.environment, object).log_pf_T;
    };
    for (const int64_t row : probe_.plain_reward) base[row] = log_pf_of(row);
    reference.Merge();
    double distance = 0, effect = 0;
    for (const int64_t row : probe_.plain_reward) {
      const at::Tensor merged_T = log_pf_of(row);
      distance += (log_pf_[row].slice(0, 0, merged_T.size(0)) - merged_T).square().sum().item<double>();
      effect += (base.at(row) - merged_T).square().sum().item<double>();
    }
    Add(text_check::kMerged, std::sqrt(distance / effect), limits_.reference).detail = "share of what the adapter does";
  }

  // Of a large model: finite differences in its own arithmetic, where that is fine enough to see them.
  Status CheckWithoutReference(const TrajectoryBatch& batch, const LinearLoss& loss, const ScoreOptions& score) {
    findings_.not_checked += "; not checked: the adapter's share in the weights, the gradient of every tensor by itself";
    if (parts_.model->dtype() == ModelDtype::kBFloat16) {
      findings_.not_checked += ", and its finite differences, which bf16 is too coarse for";
      return OkStatus();
    }
    const auto value = [&] { return loss.Value(*sampler_.policy, batch, score); };
    const GradientCheckOptions options{.step = 1e-2, .directions = 16, .noise = 30 * loss.noise()};
    ASSIGN_OR_RETURN(const GradientError differences, CompareWithDifferences(parts_.parameters, value, options));
    Add(text_check::kDifferences, differences.value, 2e-2).detail = differences.tensors;
    return OkStatus();
  }

  TextParts& parts_;
  const ExaminedSampler& sampler_;
  TextLimits limits_;
  Adapter adapter_;
  TextProbe probe_;
  at::Tensor log_pf_;
  TextFindings findings_;
};

}  // namespace

ExaminedSampler SamplerOf(const TextParts& parts, const Objective& objective) {
  return {parts.environment.get(), parts.policy.get(), parts.untrained.get(), parts.reward.get(), &objective};
}

StatusOr<TextFindings> CheckSampler(TextParts& parts, const ExaminedSampler& sampler, const std::vector<ConditionId>& conditions,
                                    int64_t rollouts) {
  return TextExaminer(parts, sampler).Run(conditions, rollouts);
}

}  // namespace gfn
