#include "gflownet/estimate/sample_from.h"

#include <string>
#include <unordered_set>

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

// The state after the path, which has to be one where actions are left.
Status CheckPath(const Environment& environment, ConditionId condition, const std::vector<int64_t>& path) {
  State state = environment.Initial({condition});
  for (size_t k = 0; k < path.size(); ++k) {
    const at::Tensor action_B = at::tensor(std::vector<int64_t>{path[k]}, at::kLong);
    const std::string place =
        environment.Spec().name + ": action " + std::to_string(path[k]) + " at place " + std::to_string(k) + " of the path ";
    if (path[k] < 0 || path[k] >= environment.Spec().num_actions) {
      return InvalidArgument(place + "is not one of 0 .. " + std::to_string(environment.Spec().num_actions - 1));
    }
    if (!environment.ForwardSupport(state).IsLegal(action_B).item<bool>())
      return InvalidArgument(place + "is not legal in " + environment.Format(state, 0));
    state = environment.Step(state, action_B);
    if (state.AllDone()) return InvalidArgument(place + "finishes the object; a state with actions left is needed");
  }
  return OkStatus();
}

}  // namespace

BelowFunction BelowState(const EnumerableEnvironment& environment, at::Tensor reached) {
  return [&environment, reached = std::move(reached)](const State& state) {
    const at::Tensor index_B = environment.StateIndex(state).masked_fill(state.done_B(), 0);
    const at::Tensor object_B =
        environment.ObjectIndex(state).masked_fill(state.done_B().logical_not(), 0) + environment.NumStates();
    return reached.index_select(0, at::where(state.done_B(), object_B, index_B));
  };
}

int64_t CountDistinct(const Environment& environment, const TrajectoryBatch& batch) {
  const std::vector<std::string> keys = FinalStates(environment, batch).RowKeys();
  return static_cast<int64_t>(std::unordered_set<std::string>(keys.begin(), keys.end()).size());
}

StepSums SumsAfter(const Sampler& sampler, const TrajectoryBatch& batch, int64_t num_given) {
  const bool is_tree = sampler.environment->Spec().is_tree;
  const Needs needs = is_tree ? Needs(Need::kLogPf) : Need::kLogPf | Need::kLogPb;
  const TrajectoryScores scores = sampler.policy->Score(batch, {.needs = needs, .with_grad = false});
  auto sum = [&](const at::Tensor& log_p_BT) {
    return log_p_BT.to(at::kCPU, at::kDouble).masked_fill(batch.StepMask().logical_not(), 0).slice(1, num_given).sum(1);
  };
  StepSums sums{sum(scores.log_pf_BT), {}};
  sums.log_pb_B = is_tree ? at::zeros_like(sums.log_pf_B) : sum(scores.log_pb_BT);
  return sums;
}

StatusOr<SamplesFrom> SampleFrom(const Sampler& sampler, const std::vector<int64_t>& path, const EstimateOptions& options) {
  GFN_CHECK(options.num_samples >= 1 && options.rows_at_a_time >= 1);
  const at::NoGradGuard no_grad;
  if (sampler.environment->Spec().is_stochastic) {
    return InvalidArgument(sampler.environment->Spec().name + " is stochastic: a state has no flow that one policy decides");
  }
  RETURN_IF_ERROR(CheckPath(*sampler.environment, sampler.condition, path));
  std::vector<TrajectoryBatch> batches;
  std::vector<at::Tensor> log_pf, log_pb;
  for (int64_t first = 0; first < options.num_samples; first += options.rows_at_a_time) {
    const int64_t num = std::min(options.rows_at_a_time, options.num_samples - first);
    std::vector<RolloutRow> rows = RolloutRows({sampler.condition}, num, {}, static_cast<uint64_t>(first));
    for (RolloutRow& row : rows) row.prefix = path;
    ASSIGN_OR_RETURN(TrajectoryBatch batch, Rollout(*sampler.environment, *sampler.policy, rows, options.key));
    RETURN_IF_ERROR(EvaluateReward(*sampler.reward, batch));
    const StepSums sums = SumsAfter(sampler, batch, static_cast<int64_t>(path.size()));
    log_pf.push_back(sums.log_pf_B);
    log_pb.push_back(sums.log_pb_B);
    batches.push_back(std::move(batch));
  }
  return SamplesFrom{Concatenate(batches), at::cat(log_pf), at::cat(log_pb)};
}

at::Tensor ParentsBelow(const Environment& environment, const State& state, const BelowFunction& below) {
  const at::Tensor below_BA = environment.BackwardSupport(state).Dense().clone();
  for (int64_t action = 0; action < below_BA.size(1); ++action) {
    const at::Tensor rows_M = below_BA.select(1, action).nonzero().squeeze(1);
    if (rows_M.numel() == 0) continue;
    const State parent = environment.Undo(state.Gather(rows_M), at::full({rows_M.numel()}, action, at::kLong));
    below_BA.select(1, action).index_copy_(0, rows_M, below(parent));
  }
  return below_BA;
}

at::Tensor LogPbBelow(const Environment& environment, const TrajectoryBatch& batch, int64_t num_given,
                      const BelowFunction& below) {
  const at::NoGradGuard no_grad;
  at::Tensor sum_B = at::zeros({batch.size()}, at::kDouble);
  if (environment.Spec().is_tree) return sum_B;
  const std::vector<State> states = Unroll(environment, batch);
  for (int64_t step = num_given; step < batch.num_steps(); ++step) {
    const at::Tensor moves_B = batch.lengths_B.gt(step);
    const at::Tensor parents_B = ParentsBelow(environment, states[step + 1], below).sum(1).to(at::kDouble);
    GFN_CHECK(parents_B.ge(1).logical_or(moves_B.logical_not()).all().item<bool>())
        << "a state on the way has no parent below the root";
    sum_B = sum_B - at::where(moves_B, parents_B.clamp_min(1).log(), at::zeros_like(sum_B));
  }
  return sum_B;
}

std::vector<double> ToDoubles(const at::Tensor& values_B) {
  const at::Tensor values = values_B.to(at::kCPU, at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

std::vector<double> LogWeights(const SamplesFrom& samples, const at::Tensor& log_pb_B, double temperature) {
  return ToDoubles(samples.batch.log_reward_B / temperature + log_pb_B - samples.log_pf_B);
}

LogZEstimate LogFlowOf(const Sampler& sampler, const SamplesFrom& samples, double confidence) {
  return EstimateLogZ(LogWeights(samples, samples.log_pb_B, sampler.temperature), confidence);
}

LogZEstimate LogSumBelowOf(const Sampler& sampler, const SamplesFrom& samples, int64_t num_given, const BelowFunction& below,
                           double confidence) {
  const at::Tensor log_pb_B = LogPbBelow(*sampler.environment, samples.batch, num_given, below);
  return EstimateLogZ(LogWeights(samples, log_pb_B, sampler.temperature), confidence);
}

StatusOr<LogZEstimate> EstimateLogFlow(const Sampler& sampler, const std::vector<int64_t>& path, const EstimateOptions& options) {
  ASSIGN_OR_RETURN(const SamplesFrom samples, SampleFrom(sampler, path, options));
  return LogFlowOf(sampler, samples, options.confidence);
}

StatusOr<LogZEstimate> EstimateLogSumBelow(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                           const EstimateOptions& options) {
  ASSIGN_OR_RETURN(const SamplesFrom samples, SampleFrom(sampler, path, options));
  return LogSumBelowOf(sampler, samples, static_cast<int64_t>(path.size()), below, options.confidence);
}

Interval UpperBoundFromTarget(const Sampler& sampler, const TrajectoryBatch& target, double confidence) {
  const at::NoGradGuard no_grad;
  const StepSums sums = SumsAfter(sampler, target, 0);
  return TInterval(ToDoubles(target.log_reward_B / sampler.temperature + sums.log_pb_B - sums.log_pf_B), confidence);
}

}  // namespace gfn
