#include "gflownet/estimate/quantities.h"

#include <cmath>

#include "gflownet/estimate/entropy.h"
#include "gflownet/estimate/estimate_context.h"
#include "gflownet/estimate/supersets.h"

namespace gfn {

StatusOr<const ExactValues*> EstimateContext::Exact(const Path& path) {
  std::unique_ptr<const ExactValues>& values = exact_[path];
  if (values == nullptr) {
    ASSIGN_OR_RETURN(ExactValues found, ExactValues::Find(sampler_, path, request_.max_states));
    values = std::make_unique<const ExactValues>(std::move(found));
  }
  return values.get();
}

StatusOr<const EstimateContext::Draws*> EstimateContext::DrawsFrom(const Path& path) {
  std::unique_ptr<const Draws>& draws = draws_[path];
  if (draws == nullptr) {
    ASSIGN_OR_RETURN(SamplesFrom samples, SampleFrom(sampler_, path, request_.options));
    const int64_t distinct = CountDistinct(*sampler_.environment, samples.batch);
    draws = std::make_unique<const Draws>(Draws{std::move(samples), distinct});
  }
  return draws.get();
}

StatusOr<const SamplesFrom*> EstimateContext::Samples(const Path& path) {
  ASSIGN_OR_RETURN(const Draws* draws, DrawsFrom(path));
  return &draws->samples;
}

StatusOr<int64_t> EstimateContext::Distinct(const Path& path) {
  ASSIGN_OR_RETURN(const Draws* draws, DrawsFrom(path));
  return draws->distinct;
}

StatusOr<EstimateContext::Opinion> EstimateContext::AskCoverage(const Path& path, const BelowFunction& below,
                                                                const Interval& estimate) {
  const std::pair<Path, bool> key{path, static_cast<bool>(below)};
  auto found = coverage_.find(key);
  if (found == coverage_.end()) {
    ASSIGN_OR_RETURN(const SamplesFrom* samples, Samples(path));
    CoverageOptions options = request_.coverage;
    options.confidence = confidence();
    options.key = {request_.options.key.seed, RngPurpose::kBackward, request_.options.key.step};
    ASSIGN_OR_RETURN(const Coverage coverage, CheckCoverage(sampler_, path, below, *samples, options));
    found = coverage_.emplace(key, coverage).first;
  }
  return Opinion{Disagreements(found->second, estimate), found->second.reverse};
}

StatusOr<std::vector<std::string>> EstimateContext::OfTheSamplerAlone() {
  ASSIGN_OR_RETURN(const ExactValues* exact, Exact({}));
  if (exact->LogZ().has_value()) return std::vector<std::string>();
  ASSIGN_OR_RETURN(const SamplesFrom* samples, Samples({}));
  ASSIGN_OR_RETURN(const Opinion opinion, AskCoverage({}, {}, LogFlowOf(sampler_, *samples, confidence()).log_z));
  std::vector<std::string> said;
  for (const std::string& reason : opinion.against)
    said.push_back("is of the sampler, which does not cover its target: of log Z, " + reason);
  return said;
}

namespace {

Interval Negated(const Interval& interval) {
  return {.mean = -interval.mean, .low = -interval.high, .high = -interval.low, .num_values = interval.num_values};
}

Status NeedsBelow(const Sampler& sampler, std::string_view what) {
  return InvalidArgument(std::string(what) + ": " + sampler.environment->Spec().name +
                         " is neither a tree nor small enough to list, and has no rule for what lies below a state");
}

// A log-sum of the target with what its samples say besides. `sign` -1: of a free energy, its negative.
struct LogSum {
  std::string name;
  double sign = 1;
  EstimateContext::Path path;
  BelowFunction below{};  // empty: with the policy's P_B
  LogZEstimate estimate{};
  std::optional<double> exact{};  // of the log-sum
};
StatusOr<Quantities> Report(EstimateContext& context, const LogSum& sum) {
  ASSIGN_OR_RETURN(const ExactValues* exact, context.Exact(sum.path));
  ASSIGN_OR_RETURN(const int64_t distinct, context.Distinct(sum.path));
  const bool negative = sum.sign < 0;
  auto judged = [&](const std::string& name, const Interval& estimate, Measured::Bound bound) {
    Measured measured{.name = name, .estimate = negative ? Negated(estimate) : estimate, .distinct = distinct};
    measured.num_objects = exact->NumBelow();
    measured.bound = bound;
    measured.confidence = context.confidence();
    if (bound == Measured::Bound::kNone && estimate.mean == sum.estimate.log_z.mean) {
      if (sum.exact) measured.exact = sum.sign * *sum.exact;
      measured.ess = sum.estimate.ess;
    }
    return Judge(measured);
  };
  Quantities quantities{judged(sum.name, sum.estimate.log_z, Measured::Bound::kNone)};
  quantities.push_back(judged(sum.name + (negative ? "_upper" : "_elbo"), sum.estimate.elbo,
                              negative ? Measured::Bound::kAbove : Measured::Bound::kBelow));
  quantities.push_back(judged(sum.name + "_snis", sum.estimate.snis, Measured::Bound::kNone));
  if (sum.exact) return quantities;
  ASSIGN_OR_RETURN(const EstimateContext::Opinion opinion, context.AskCoverage(sum.path, sum.below, sum.estimate.log_z));
  std::vector<std::string>& warnings = quantities.front().warnings;
  warnings.insert(warnings.end(), opinion.against.begin(), opinion.against.end());
  quantities.push_back({.name = sum.name + "_reverse", .estimate = negative ? Negated(opinion.reverse) : opinion.reverse});
  return quantities;
}

StatusOr<Quantities> Flow(const std::string& name, EstimateContext& context, const EstimateContext::Path& path) {
  ASSIGN_OR_RETURN(const SamplesFrom* samples, context.Samples(path));
  ASSIGN_OR_RETURN(const ExactValues* exact, context.Exact(path));
  return Report(context, {.name = name,
                          .path = path,
                          .estimate = LogFlowOf(context.sampler(), *samples, context.confidence()),
                          .exact = exact->LogFlow()});
}

StatusOr<Quantities> FreeEnergy(EstimateContext& context) {
  const EstimateContext::Path& path = context.request().path;
  ASSIGN_OR_RETURN(const ExactValues* exact, context.Exact(path));
  // All objects lie below the initial state, under any P_B.
  const bool by_policy = path.empty() || context.spec().is_tree;
  if (!by_policy && !exact->below()) return NeedsBelow(context.sampler(), "free_energy");
  ASSIGN_OR_RETURN(const SamplesFrom* samples, context.Samples(path));
  LogSum sum{.name = "free_energy", .sign = -1, .path = path, .exact = exact->LogSumBelow()};
  if (by_policy) {
    sum.estimate = LogFlowOf(context.sampler(), *samples, context.confidence());
  } else {
    sum.below = exact->below();
    sum.estimate = LogSumBelowOf(context.sampler(), *samples, static_cast<int64_t>(path.size()), sum.below, context.confidence());
  }
  return Report(context, sum);
}

StatusOr<Quantities> Marginal(EstimateContext& context) {
  const EstimateContext::Path& path = context.request().path;
  ASSIGN_OR_RETURN(const ExactValues* exact, context.Exact(path));
  ASSIGN_OR_RETURN(const ExactValues* whole, context.Exact({}));
  if (!exact->below()) return NeedsBelow(context.sampler(), "marginal");
  ASSIGN_OR_RETURN(const MarginalEstimate estimate,
                   EstimateMarginal(context.sampler(), path, exact->below(), context.request().options));
  std::optional<double> of_target, of_sampler;
  if (exact->LogSumBelow() && exact->LogZ()) of_target = std::exp(*exact->LogSumBelow() - *exact->LogZ());
  ASSIGN_OR_RETURN(const std::optional<at::Tensor> log_q_X, whole->LogQ());
  if (log_q_X) of_sampler = (log_q_X->exp() * *exact->is_below_X()).sum().item<double>();
  auto judged = [&](const std::string& name, const Interval& interval, std::optional<double> truth) {
    return Measured{.name = name, .estimate = interval, .exact = truth, .low = 0, .high = 1, .confidence = context.confidence()};
  };
  Measured counted = judged("marginal_counted", estimate.counted, of_sampler);
  counted.of_target = of_target;
  Measured weighted = judged("marginal_weighted", estimate.weighted, of_target);
  weighted.ess = estimate.ess_weighted, weighted.distinct = estimate.distinct_weighted, weighted.num_objects = whole->NumBelow();
  Measured by_flow = judged("marginal_by_flow", estimate.by_flow, of_target);
  by_flow.ess = estimate.ess, by_flow.distinct = estimate.distinct, by_flow.num_objects = exact->NumBelow();
  Quantities quantities{Judge(counted), Judge(weighted), Judge(by_flow)};
  if (of_target) return quantities;

  if (estimate.weighted.high < estimate.by_flow.low || estimate.by_flow.high < estimate.weighted.low) {
    quantities.back().warnings.push_back(
        "disagrees with marginal_weighted, which estimates the same: one of the two sets is not covered");
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> of_z, context.OfTheSamplerAlone());
  ASSIGN_OR_RETURN(const SamplesFrom* samples, context.Samples(path));
  const Interval log_sum =
      LogSumBelowOf(context.sampler(), *samples, static_cast<int64_t>(path.size()), exact->below(), context.confidence()).log_z;
  ASSIGN_OR_RETURN(const EstimateContext::Opinion of_state, context.AskCoverage(path, exact->below(), log_sum));
  for (Quantity& quantity : quantities) quantity.warnings.insert(quantity.warnings.end(), of_z.begin(), of_z.end());
  for (const std::string& reason : of_state.against)
    quantities.back().warnings.push_back("of the sum below the state, " + reason);
  return quantities;
}

StatusOr<Quantities> TargetEntropy(EstimateContext& context) {
  const EstimandRequest& request = context.request();
  const Sampler& sampler = context.sampler();
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
  EstimandRequest of_second = request;
  of_second.path.clear();
  EstimateContext second(*request.second, of_second);
  ASSIGN_OR_RETURN(const SamplesFrom* first_samples, context.Samples({}));
  ASSIGN_OR_RETURN(const SamplesFrom* second_samples, second.Samples({}));
  const LogZEstimate first_z = LogFlowOf(sampler, *first_samples, context.confidence());
  const LogZEstimate second_z = LogFlowOf(*request.second, *second_samples, context.confidence());
  Interval scaled = first_z.log_z;
  const double shift = reward->log_c() / sampler.temperature;
  scaled.mean -= shift, scaled.low -= shift, scaled.high -= shift;
  ASSIGN_OR_RETURN(const ExactValues* exact, context.Exact({}));
  ASSIGN_OR_RETURN(const int64_t first_distinct, context.Distinct({}));
  ASSIGN_OR_RETURN(const int64_t second_distinct, second.Distinct({}));
  Measured measured{.name = "target_entropy",
                    .estimate = EntropyFromTotals(scaled, second_z.log_z),
                    .exact = exact->EntropyBelow(),
                    .ess = std::min(first_z.ess, second_z.ess),
                    .distinct = std::min(first_distinct, second_distinct),
                    .num_objects = exact->NumBelow(),
                    .low = 0,
                    .confidence = context.confidence()};
  if (const auto num = exact->NumBelow()) measured.high = std::log(static_cast<double>(*num));
  Quantity quantity = Judge(measured);
  if (!measured.exact) {
    const auto ask = [&](EstimateContext& of, const LogZEstimate& z, const std::string& whose) -> Status {
      ASSIGN_OR_RETURN(const EstimateContext::Opinion opinion, of.AskCoverage({}, {}, z.log_z));
      for (const std::string& reason : opinion.against)
        quantity.warnings.push_back("of the total of the " + whose + ", " + reason);
      return OkStatus();
    };
    RETURN_IF_ERROR(ask(context, first_z, "sampler"));
    RETURN_IF_ERROR(ask(second, second_z, "second sampler"));
  }
  return Quantities{std::move(quantity)};
}

StatusOr<Quantities> EstimateOne(Estimand what, EstimateContext& context) {
  switch (what) {
    case Estimand::kLogZ:
      return Flow("log_z", context, {});
    case Estimand::kFlow:
      return Flow("log_flow", context, context.request().path);
    case Estimand::kFreeEnergy:
      return FreeEnergy(context);
    case Estimand::kEntropy:
      return EntropyOfSampler(context);
    case Estimand::kMarginal:
      return Marginal(context);
    case Estimand::kMutualInformation:
      return MutualInformationOfSampler(context);
    case Estimand::kConditionInformation:
      return ConditionInformationOfSampler(context);
    case Estimand::kTargetEntropy:
      return TargetEntropy(context);
  }
  return InvalidArgument("no such quantity");
}

}  // namespace

StatusOr<std::vector<Quantity>> Estimate(const std::vector<Estimand>& what, const Sampler& sampler,
                                         const EstimandRequest& request) {
  const at::NoGradGuard no_grad;
  const EnvironmentSpec& spec = sampler.environment->Spec();
  const std::string name(what.empty() ? "estimate" : EnumName(what.front()));
  if (spec.action != EnvironmentSpec::Action::kDiscrete || spec.is_stochastic) {
    return InvalidArgument(name + ": " + spec.name + " is " + (spec.is_stochastic ? "stochastic" : "continuous") +
                           "; estimates are of discrete, deterministic worlds");
  }
  if (request.options.num_samples < 2) {
    return InvalidArgument(name + ": " + std::to_string(request.options.num_samples) + " samples, expected at least 2");
  }
  RETURN_IF_ERROR(SampleFrom(sampler, request.path, EstimateOptions{.num_samples = 1}).status());  // is the path legal
  EstimateContext context(sampler, request);
  Quantities all;
  for (const Estimand one : what) {
    ASSIGN_OR_RETURN(Quantities some, EstimateOne(one, context));
    all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return all;
}

}  // namespace gfn
