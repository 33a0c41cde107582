#include "gflownet/estimate/quantities.h"

#include "gflownet/core/rollout.h"
#include "gflownet/env/exact.h"
#include "gflownet/estimate/entropy.h"
#include "gflownet/estimate/state_values.h"
#include "gflownet/estimate/supersets.h"

namespace gfn {
namespace {

// Trajectories up to which log q is summed over all of them, for policies that are not plain functions of the state.
constexpr int64_t kMaxTrajectories = int64_t{1} << 16;

// What enumeration adds, for a listed world.
struct Truth {
  const EnumerableEnvironment* environment = nullptr;
  const Policy* policy = nullptr;
  StateGraph graph;
  at::Tensor log_r_X;  // log R / T
  int64_t state = 0;   // of the path
  BelowFunction below;

  // log q of every object; nothing where only trajectories could tell (the policy is a decorator, as of a learned log Z) and
  // there are too many.
  std::optional<at::Tensor> LogQ(ConditionId condition) const {
    if (const auto* of_states = dynamic_cast<const StatePolicy*>(policy)) {
      return graph.LogTerminating(ExactLogPf(*environment, *of_states, condition));
    }
    const auto all = EnumerateTrajectories(*environment, condition, kMaxTrajectories);
    if (!all.ok()) return std::nullopt;
    const at::Tensor object_B = environment->ObjectIndex(FinalStates(*environment, *all));
    return at::zeros({graph.num_objects()}, at::kDouble).index_add(0, object_B, LogProbOfTrajectories(*policy, *all).exp()).log();
  }
};

StatusOr<std::optional<Truth>> FindTruth(const Sampler& sampler, const EstimandRequest& request) {
  const auto* environment = dynamic_cast<const EnumerableEnvironment*>(sampler.environment);
  if (environment == nullptr || environment->NumStates() > request.max_states || !CheckListable(*environment).ok())
    return std::optional<Truth>();
  ASSIGN_OR_RETURN(StateGraph graph, StateGraph::Build(*environment, sampler.condition));
  ASSIGN_OR_RETURN(at::Tensor log_reward_X, ExactLogReward(*environment, graph, *sampler.reward, sampler.condition));
  State state = environment->Initial({sampler.condition});
  for (const int64_t action : request.path) state = environment->Step(state, at::tensor(std::vector<int64_t>{action}, at::kLong));
  const int64_t index = environment->StateIndex(state).item<int64_t>();
  BelowFunction below = BelowState(*environment, ReachedFrom(graph, index));
  return std::optional<Truth>(
      Truth{environment, sampler.policy, std::move(graph), log_reward_X / sampler.temperature, index, std::move(below)});
}

Interval Negated(const Interval& interval) {
  return {.mean = -interval.mean, .low = -interval.high, .high = -interval.low, .num_values = interval.num_values};
}

Status NeedsBelow(const Sampler& sampler, std::string_view what) {
  return InvalidArgument(std::string(what) + ": " + sampler.environment->Spec().name +
                         " is neither a tree nor small enough to list, and what lies below a state is known of these alone");
}

// log Z, elbo, eubo of the state, under a name.
std::vector<Quantity> Bounds(const std::string& name, const LogZEstimate& estimate, std::optional<double> exact) {
  return {{name, estimate.log_z, exact, estimate.ess},
          {name + "_elbo", estimate.elbo, {}, {}},
          {name + "_eubo", estimate.eubo, {}, {}}};
}

StatusOr<std::vector<Quantity>> Flow(const std::string& name, const Sampler& sampler, const EstimandRequest& request,
                                     const std::optional<Truth>& truth) {
  ASSIGN_OR_RETURN(const LogZEstimate estimate, EstimateLogFlow(sampler, request.path, request.options));
  std::optional<double> exact;
  if (truth) {
    const at::Tensor log_pb_E = ExactLogPb(*truth->environment, *truth->policy, truth->graph, sampler.condition);
    exact = ExactLogFlow(truth->graph, log_pb_E, truth->log_r_X)[truth->state].item<double>();
  }
  return Bounds(name, estimate, exact);
}

StatusOr<std::vector<Quantity>> FreeEnergy(const Sampler& sampler, const EstimandRequest& request,
                                           const std::optional<Truth>& truth) {
  ASSIGN_OR_RETURN(const LogZEstimate estimate,
                   EstimateLogSumBelow(sampler, request.path, truth ? truth->below : BelowFunction(), request.options));
  std::optional<double> exact;
  if (truth) exact = -ExactLogSumBelow(truth->graph, truth->state, truth->log_r_X);
  return std::vector<Quantity>{{"free_energy", Negated(estimate.log_z), exact, estimate.ess},
                               {"free_energy_upper", Negated(estimate.elbo), {}, {}},
                               {"free_energy_lower", Negated(estimate.eubo), {}, {}}};
}

StatusOr<std::vector<Quantity>> Entropy(const Sampler& sampler, const EstimandRequest& request,
                                        const std::optional<Truth>& truth) {
  ASSIGN_OR_RETURN(const EntropyEstimate estimate, EstimateEntropy(sampler, request.path, truth ? truth->below : BelowFunction(),
                                                                   request.num_backward, request.options));
  std::optional<double> exact;
  if (truth && request.path.empty()) {
    if (const auto log_q_X = truth->LogQ(sampler.condition)) exact = ExactEntropy(*log_q_X);
  }
  if (sampler.environment->Spec().is_tree) return std::vector<Quantity>{{"entropy", estimate.low, exact, {}}};
  return std::vector<Quantity>{{"entropy_lower", estimate.low, exact, {}}, {"entropy_upper", estimate.high, exact, {}}};
}

StatusOr<std::vector<Quantity>> Marginal(const Sampler& sampler, const EstimandRequest& request,
                                         const std::optional<Truth>& truth) {
  if (!truth) return NeedsBelow(sampler, "marginal");
  ASSIGN_OR_RETURN(const MarginalEstimate estimate, EstimateMarginal(sampler, request.path, truth->below, request.options));
  const at::Tensor below_X = ReachedFrom(truth->graph, truth->state).slice(0, truth->graph.num_states()).to(at::kDouble);
  const double of_target = (truth->log_r_X.softmax(0) * below_X).sum().item<double>();
  std::optional<double> of_sampler;
  if (const auto log_q_X = truth->LogQ(sampler.condition)) of_sampler = (log_q_X->exp() * below_X).sum().item<double>();
  return std::vector<Quantity>{{"marginal_counted", estimate.counted, of_sampler, {}},
                               {"marginal_weighted", estimate.weighted, of_target, {}},
                               {"marginal_by_flow", estimate.by_flow, of_target, estimate.ess}};
}

StatusOr<std::vector<Quantity>> MutualInformation(const Sampler& sampler, const EstimandRequest& request,
                                                  const std::optional<Truth>& truth) {
  const EnvironmentSpec& spec = sampler.environment->Spec();
  if (!spec.is_tree)
    return InvalidArgument("mutual_information: " + spec.name +
                           " is not a tree: places of a trajectory are no parts of its object");
  if (request.places.size() != 2)
    return InvalidArgument("mutual_information: " + std::to_string(request.places.size()) + " places, expected 2");
  ASSIGN_OR_RETURN(const SamplesFrom samples, SampleFrom(sampler, request.path, request.options));
  // -1 where the object has ended before.
  auto part = [&](const TrajectoryBatch& batch, int64_t place) {
    if (place >= batch.num_steps()) return at::full({batch.size()}, -1, at::kLong);
    return batch.actions_BT.select(1, place).masked_fill(batch.lengths_B.le(place), -1);
  };
  for (const int64_t place : request.places) {
    if (place < 0 || place >= spec.max_steps) {
      return InvalidArgument("mutual_information: place " + std::to_string(place) + " is not one of 0 .. " +
                             std::to_string(spec.max_steps - 1));
    }
  }
  auto values = [&](int64_t place) {
    const at::Tensor labels_B = part(samples.batch, place).contiguous();
    return std::vector<int64_t>(labels_B.const_data_ptr<int64_t>(), labels_B.const_data_ptr<int64_t>() + labels_B.numel());
  };
  const Interval estimate =
      EstimateMutualInformation(values(request.places[0]), values(request.places[1]), request.options.confidence);
  std::optional<double> exact;
  if (truth && request.path.empty()) {
    ASSIGN_OR_RETURN(const TrajectoryBatch all, truth->graph.OneTrajectoryEach(*truth->environment));
    if (const auto log_q_X = truth->LogQ(sampler.condition)) {
      exact = ExactMutualInformation(*log_q_X, part(all, request.places[0]), part(all, request.places[1]));
    }
  }
  return std::vector<Quantity>{{"mutual_information", estimate, exact, {}}};
}

StatusOr<std::vector<Quantity>> ConditionInformation(const Sampler& sampler, const EstimandRequest& request,
                                                     const std::optional<Truth>& truth) {
  ASSIGN_OR_RETURN(const Interval estimate, EstimateConditionInformation(sampler, request.conditions, request.options));
  std::optional<double> exact;
  if (truth) {
    at::Tensor mixture_X = at::zeros({truth->graph.num_objects()}, at::kDouble);
    double conditional = 0;
    bool is_known = true;
    for (const ConditionId condition : request.conditions) {
      const auto log_q_X = truth->LogQ(condition);
      is_known = is_known && log_q_X.has_value();
      if (!is_known) break;
      mixture_X += log_q_X->exp();
      conditional += ExactEntropy(*log_q_X) / static_cast<double>(request.conditions.size());
    }
    if (is_known) exact = ExactEntropy(mixture_X.log()) - conditional;
  }
  return std::vector<Quantity>{{"condition_information", estimate, exact, {}}};
}

StatusOr<std::vector<Quantity>> TargetEntropy(const Sampler& sampler, const EstimandRequest& request,
                                              const std::optional<Truth>& truth) {
  if (!request.second.has_value())
    return InvalidArgument(
        "target_entropy needs a second sampler, of -R' log R' (gfn estimate --second RUN, of a run with task.entropy_target)");
  const auto* reward = dynamic_cast<const EntropyReward*>(request.second->reward);
  if (reward == nullptr) return InvalidArgument("target_entropy: the second sampler's reward is not -R' log R'");
  const auto differs = [](const std::string& what, const std::string& first, const std::string& second) {
    return InvalidArgument("target_entropy: the second sampler has another " + what + ": " + second + ", expected " + first);
  };
  if (reward->reward().Digest() != sampler.reward->Digest())
    return differs("R", sampler.reward->Digest(), reward->reward().Digest());
  const std::string support = sampler.environment->SupportDigest(), second_support = request.second->environment->SupportDigest();
  if (support != second_support) return differs("world", support, second_support);
  if (reward->temperature() != sampler.temperature || request.second->temperature != 1) {
    return differs("temperature", std::to_string(sampler.temperature) + " in R' and 1 of its own",
                   std::to_string(reward->temperature()) + " and " + std::to_string(request.second->temperature));
  }
  ASSIGN_OR_RETURN(const LogZEstimate first, EstimateLogFlow(sampler, {}, request.options));
  ASSIGN_OR_RETURN(const LogZEstimate second, EstimateLogFlow(*request.second, {}, request.options));
  Interval scaled = first.log_z;
  const double shift = reward->log_c() / sampler.temperature;
  scaled.mean -= shift, scaled.low -= shift, scaled.high -= shift;
  std::optional<double> exact;
  if (truth) exact = ExactEntropy(truth->log_r_X);
  return std::vector<Quantity>{{"target_entropy", EntropyFromTotals(scaled, second.log_z), exact, second.ess}};
}

}  // namespace

StatusOr<std::vector<Quantity>> Estimate(Estimand what, const Sampler& sampler, const EstimandRequest& request) {
  const at::NoGradGuard no_grad;
  if (sampler.environment->Spec().action != EnvironmentSpec::Action::kDiscrete || sampler.environment->Spec().is_stochastic) {
    return InvalidArgument(std::string(EnumName(what)) + ": " + sampler.environment->Spec().name + " is " +
                           (sampler.environment->Spec().is_stochastic ? "stochastic" : "continuous") +
                           "; estimates are of discrete, deterministic worlds");
  }
  if (request.options.num_samples < 2) {
    return InvalidArgument(std::string(EnumName(what)) + ": " + std::to_string(request.options.num_samples) +
                           " samples, expected at least 2");
  }
  RETURN_IF_ERROR(SampleFrom(sampler, request.path, EstimateOptions{.num_samples = 1}).status());  // is the path legal
  ASSIGN_OR_RETURN(const std::optional<Truth> truth, FindTruth(sampler, request));
  const bool needs_below = !sampler.environment->Spec().is_tree && !truth;
  switch (what) {
    case Estimand::kLogZ: {
      EstimandRequest from_start = request;
      from_start.path.clear();
      std::optional<Truth> at_start = truth;
      if (at_start) at_start->state = 0;
      return Flow("log_z", sampler, from_start, at_start);
    }
    case Estimand::kFlow:
      return Flow("log_flow", sampler, request, truth);
    case Estimand::kFreeEnergy:
      return needs_below ? StatusOr<std::vector<Quantity>>(NeedsBelow(sampler, "free_energy"))
                         : FreeEnergy(sampler, request, truth);
    case Estimand::kEntropy:
      return needs_below && !request.path.empty() ? StatusOr<std::vector<Quantity>>(NeedsBelow(sampler, "entropy from a state"))
                                                  : Entropy(sampler, request, truth);
    case Estimand::kMarginal:
      return Marginal(sampler, request, truth);
    case Estimand::kMutualInformation:
      return MutualInformation(sampler, request, truth);
    case Estimand::kConditionInformation:
      return ConditionInformation(sampler, request, truth);
    case Estimand::kTargetEntropy:
      return TargetEntropy(sampler, request, truth);
  }
  return InvalidArgument("unknown quantity");
}

}  // namespace gfn
