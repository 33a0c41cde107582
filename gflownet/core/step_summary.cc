#include "gflownet/core/step_summary.h"

#include <cmath>

#include "gflownet/base/interval.h"
#include "gflownet/core/objective.h"

namespace gfn {
namespace {

std::vector<double> Values(const at::Tensor& values_B) {
  const at::Tensor values = values_B.detach().to(at::kCPU, at::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

}  // namespace

void StepSummary::Add(const TrajectoryBatch& batch, const TrajectoryScores& scores, const Targets& targets,
                      const std::vector<Behaviour>& behaviour_B) {
  for (const double length : Values(batch.lengths_B)) length_.Add(length);
  if (!batch.log_reward_B.defined()) return;
  const std::vector<double> rewards = Values(batch.log_reward_B), estimates = Values(FinalLogZEstimates(scores, targets)),
                            tempered = Values(targets.log_reward_B);
  const Grouping grouping = GroupRows(batch.condition_ids);
  std::vector<std::vector<double>> all(grouping.conditions.size()), on_policy(grouping.conditions.size());
  for (int64_t row = 0; row < batch.size(); ++row) {
    log_reward_.Add(rewards[row]);
    all[grouping.group_of_row[row]].push_back(estimates[row]);
    if (behaviour_B[row] != Behaviour::kOnPolicy) continue;
    on_policy[grouping.group_of_row[row]].push_back(estimates[row]);
    elbo_.Add(estimates[row] - tempered[row] + rewards[row]);
  }
  for (const std::vector<double>& group : all) log_z_.Add(Mean(group));
  for (const std::vector<double>& group : on_policy) {
    if (group.size() > 1) spread_.Add(std::sqrt(SampleVariance(group)));
  }
  for (const auto& [name, value_B] : batch.reward_terms) {
    for (const double value : Values(value_B)) terms_[name].Add(value);
  }
}

void StepSummary::AddTo(StepMetrics& metrics) const {
  auto set = [&](const std::string& name, const Average& average) {
    if (average.count > 0) metrics.Set(name, average.sum / static_cast<double>(average.count));
  };
  set("log_z", log_z_);
  set("log_reward", log_reward_);
  set("elbo", elbo_);
  set("spread", spread_);
  set("length", length_);
  for (const auto& [name, average] : terms_) set("reward." + name, average);
}

}  // namespace gfn
