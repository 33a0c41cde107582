// Quantities of what a sampler makes: they are right of a sampler that is wrong, so they are told apart from those of its target.
#include <cmath>

#include "gflownet/estimate/entropy.h"
#include "gflownet/estimate/estimate_context.h"

namespace gfn {
namespace {

Status CheckTree(const EstimateContext& context, const std::string& what, const std::string& why) {
  if (context.spec().is_tree) return OkStatus();
  return InvalidArgument(what + ": " + context.spec().name + " is not a tree: " + why);
}

StatusOr<Quantity> JudgeOfSampler(EstimateContext& context, const Measured& measured) {
  Quantity quantity = Judge(measured);
  ASSIGN_OR_RETURN(const std::vector<std::string> alone, context.OfTheSamplerAlone());
  quantity.warnings.insert(quantity.warnings.end(), alone.begin(), alone.end());
  return quantity;
}

// The action at a place of each object's trajectory; -1 where the object has ended before.
at::Tensor Part(const TrajectoryBatch& batch, int64_t place) {
  if (place >= batch.num_steps()) return at::full({batch.size()}, -1, at::kLong);
  return batch.actions_BT.select(1, place).masked_fill(batch.lengths_B.le(place), -1);
}

std::vector<int64_t> ValuesOf(const at::Tensor& labels_B) {
  const at::Tensor labels = labels_B.contiguous();
  return {labels.const_data_ptr<int64_t>(), labels.const_data_ptr<int64_t>() + labels.numel()};
}

}  // namespace

StatusOr<Quantities> EntropyOfSampler(EstimateContext& context) {
  const EstimateContext::Path& path = context.request().path;
  ASSIGN_OR_RETURN(const ExactValues* exact, context.Exact(path));
  if (!path.empty() && !context.spec().is_tree && !exact->below()) {
    return InvalidArgument("entropy: " + context.spec().name +
                           " is neither a tree nor small enough to list, and has no rule for what lies below a state");
  }
  ASSIGN_OR_RETURN(const EntropyEstimate estimate, EstimateEntropy(context.sampler(), path, exact->below(),
                                                                   context.request().num_backward, context.request().options));
  Measured measured{.name = "entropy", .estimate = estimate.low, .low = 0, .confidence = context.confidence()};
  ASSIGN_OR_RETURN(const std::optional<at::Tensor> log_q_X, exact->LogQ());
  if (log_q_X) measured.exact = ExactEntropy(*log_q_X);
  ASSIGN_OR_RETURN(measured.distinct, context.Distinct(path));
  measured.num_objects = exact->NumBelow();
  if (measured.num_objects) measured.high = std::log(static_cast<double>(*measured.num_objects));
  // In a DAG the ideal sampler's share of an object below a later state depends on P_B.
  if (path.empty() || context.spec().is_tree) measured.of_target = exact->EntropyBelow();
  Quantities quantities;
  auto add = [&](const char* name, const Interval& interval, Measured::Bound bound) -> Status {
    measured.name = name, measured.estimate = interval, measured.bound = bound;
    ASSIGN_OR_RETURN(Quantity quantity, JudgeOfSampler(context, measured));
    quantities.push_back(std::move(quantity));
    return OkStatus();
  };
  if (context.spec().is_tree) {
    RETURN_IF_ERROR(add("entropy", estimate.low, Measured::Bound::kNone));
  } else {
    RETURN_IF_ERROR(add("entropy_lower", estimate.low, Measured::Bound::kBelow));
    RETURN_IF_ERROR(add("entropy_upper", estimate.high, Measured::Bound::kAbove));
  }
  return quantities;
}

StatusOr<Quantities> MutualInformationOfSampler(EstimateContext& context) {
  const EstimandRequest& request = context.request();
  RETURN_IF_ERROR(CheckTree(context, "mutual_information", "places of a trajectory are no parts of its object"));
  if (request.places.size() != 2)
    return InvalidArgument("mutual_information: " + std::to_string(request.places.size()) + " places, expected 2");
  for (const int64_t place : request.places) {
    if (place < 0 || place >= context.spec().max_steps) {
      return InvalidArgument("mutual_information: place " + std::to_string(place) + " is not one of 0 .. " +
                             std::to_string(context.spec().max_steps - 1));
    }
  }
  ASSIGN_OR_RETURN(const SamplesFrom* samples, context.Samples(request.path));
  const auto values = [&](size_t which) { return ValuesOf(Part(samples->batch, request.places[which])); };
  Measured measured{.name = "mutual_information",
                    .estimate = EstimateMutualInformation(values(0), values(1), context.confidence()),
                    .low = 0,
                    .confidence = context.confidence()};
  ASSIGN_OR_RETURN(measured.distinct, context.Distinct(request.path));
  ASSIGN_OR_RETURN(const ExactValues* exact, context.Exact(request.path));
  measured.num_objects = exact->NumBelow();
  if (exact->graph()) {
    const auto& listed = dynamic_cast<const EnumerableEnvironment&>(*context.sampler().environment);
    ASSIGN_OR_RETURN(const TrajectoryBatch all, exact->graph()->OneTrajectoryEach(listed));
    const at::Tensor first = Part(all, request.places[0]), second = Part(all, request.places[1]);
    ASSIGN_OR_RETURN(const std::optional<at::Tensor> log_q_X, exact->LogQ());
    if (log_q_X) measured.exact = ExactMutualInformation(*log_q_X, first, second);
    measured.of_target =
        ExactMutualInformation(exact->log_reward_X()->masked_fill(exact->is_below_X()->logical_not(), -INFINITY), first, second);
  }
  ASSIGN_OR_RETURN(Quantity quantity, JudgeOfSampler(context, measured));
  return Quantities{std::move(quantity)};
}

StatusOr<Quantities> ConditionInformationOfSampler(EstimateContext& context) {
  const EstimandRequest& request = context.request();
  ASSIGN_OR_RETURN(const Interval estimate, EstimateConditionInformation(context.sampler(), request.conditions, request.options));
  const double num = static_cast<double>(request.conditions.size());
  Measured measured{
      .name = "condition_information", .estimate = estimate, .low = 0, .high = std::log(num), .confidence = context.confidence()};
  // I(X; C) = H(X) - H(X | C), of the sampler and of the target.
  at::Tensor of_sampler_X, of_target_X;
  double sampler_entropy = 0, target_entropy = 0;
  bool sampler_known = true, target_known = true;
  std::vector<std::string> not_covered;
  int64_t distinct = std::numeric_limits<int64_t>::max();
  auto mix = [&](at::Tensor& mixture_X, double& entropy, const at::Tensor& log_p_X) {
    const at::Tensor p_X = log_p_X.softmax(0) / num;
    mixture_X = mixture_X.defined() ? mixture_X + p_X : p_X;
    entropy += ExactEntropy(log_p_X) / num;
  };
  for (const ConditionId condition : request.conditions) {
    Sampler of_condition = context.sampler();
    of_condition.condition = condition;
    EstimandRequest from_start = request;
    from_start.path.clear();
    EstimateContext its(of_condition, from_start);
    ASSIGN_OR_RETURN(const ExactValues* exact, its.Exact({}));
    ASSIGN_OR_RETURN(const std::optional<at::Tensor> log_q_X, exact->LogQ());
    ASSIGN_OR_RETURN(const int64_t of_this, its.Distinct({}));
    distinct = std::min(distinct, of_this);
    measured.num_objects = exact->NumBelow();
    sampler_known = sampler_known && log_q_X.has_value();
    target_known = target_known && exact->log_reward_X().has_value();
    if (sampler_known) mix(of_sampler_X, sampler_entropy, *log_q_X);
    if (target_known) mix(of_target_X, target_entropy, *exact->log_reward_X());
    if (not_covered.empty()) {
      ASSIGN_OR_RETURN(not_covered, its.OfTheSamplerAlone());
    }
  }
  measured.distinct = distinct;
  if (sampler_known) measured.exact = ExactEntropy(of_sampler_X.log()) - sampler_entropy;
  if (target_known) measured.of_target = ExactEntropy(of_target_X.log()) - target_entropy;
  Quantity quantity = Judge(measured);
  quantity.warnings.insert(quantity.warnings.end(), not_covered.begin(), not_covered.end());
  return Quantities{std::move(quantity)};
}

}  // namespace gfn
