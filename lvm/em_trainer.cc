#include "lvm/em_trainer.h"

#include <nlohmann/json.hpp>

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/phase.h"
#include "gflownet/core/behaviour.h"

namespace gfn {
namespace {

constexpr char kProgress[] = "em.json";
constexpr char kModelOptimizer[] = "model_optimizer.safetensors";

// The weighted mean of log p(x, z), with gradient.
at::Tensor MeanLogJoint(const at::Tensor& log_joint_B, const TrajectoryBatch& batch) {
  if (!batch.weight_B.defined()) return log_joint_B.mean();
  const at::Tensor weight_B = batch.weight_B.to(at::kDouble);
  return log_joint_B.dot(weight_B) / weight_B.sum();
}

}  // namespace

StatusOr<std::unique_ptr<EmTrainer>> EmTrainer::Create(const EmConfig& config, const EmParts& parts) {
  GFN_CHECK(parts.environment != nullptr && parts.policy != nullptr && parts.reward != nullptr && parts.trainer != nullptr &&
            parts.model != nullptr);
  if (parts.conditions.empty()) return InvalidArgument("EM: no data");
  ASSIGN_OR_RETURN(std::unique_ptr<EStep> e_step, MakeEStep(config, parts));
  std::optional<Optimizer> optimizer;
  if (const auto* gradient = std::get_if<GradientMStepConfig>(&config.m_step)) {
    ASSIGN_OR_RETURN(optimizer, Optimizer::Create(gradient->optimizer, &parts.model->parameters()));
  } else if (!parts.model->HasClosedForm()) {
    return InvalidArgument("em.m_step: " + parts.model->Digest() + " has no closed form; kind gradient fits");
  }
  return std::unique_ptr<EmTrainer>(new EmTrainer(config, parts, std::move(e_step), std::move(optimizer)));
}

EmTrainer::EmTrainer(const EmConfig& config, const EmParts& parts, std::unique_ptr<EStep> e_step,
                     std::optional<Optimizer> optimizer)
    : config_(config), parts_(parts), e_step_(std::move(e_step)), optimizer_(std::move(optimizer)) {}

StatusOr<StepMetrics> EmTrainer::Step() {
  StepMetrics metrics;
  bool ready = false;
  int64_t updates = 0;
  while (!ready && updates < config_.updates_per_step) {
    ASSIGN_OR_RETURN(ready, e_step_->Update(m_steps_, metrics));
    ++updates;
  }
  metrics.Set("e_updates", static_cast<double>(updates));
  if (ready) {
    if (const Status status = MStep(metrics); !status.ok()) return Annotate(status, "M-step " + std::to_string(m_steps_));
    ++m_steps_;
  }
  metrics.Set("m_steps", static_cast<double>(m_steps_));
  ++step_;
  return metrics;
}

std::vector<ConditionId> EmTrainer::ConditionsOfMStep() const {
  const int64_t all = static_cast<int64_t>(parts_.conditions.size());
  if (config_.m_conditions == 0 || config_.m_conditions >= all) return parts_.conditions;
  // Another order than that of the sampler's steps, which would show each M-step what was just trained on.
  std::vector<ConditionId> chosen;
  for (const int64_t index : ConditionsOfStep(all, config_.m_conditions, MixBits(parts_.seed + 1), m_steps_)) {
    chosen.push_back(parts_.conditions[index]);
  }
  return chosen;
}

Status EmTrainer::MStep(StepMetrics& metrics) {
  const Phase phase("m_step");
  ASSIGN_OR_RETURN(const TrajectoryBatch batch, e_step_->Draw(ConditionsOfMStep(), m_steps_));
  const auto* gradient = std::get_if<GradientMStepConfig>(&config_.m_step);
  const int64_t steps = gradient != nullptr ? gradient->steps : 1;
  for (int64_t i = 0; i < steps; ++i) {
    parts_.model->parameters().ZeroGrad();
    at::Tensor mean;
    {
      const at::AutoGradMode with_grad(gradient != nullptr);
      ASSIGN_OR_RETURN(const at::Tensor log_joint_B, parts_.model->LogJoint(batch));
      mean = MeanLogJoint(log_joint_B, batch);
      if (gradient != nullptr) (-mean).backward();
    }
    if (i == 0) metrics.Set("m_log_joint", mean.item<double>());
    if (gradient == nullptr) {
      RETURN_IF_ERROR(parts_.model->Maximise(batch, std::get<ClosedFormMStepConfig>(config_.m_step).rate));
      continue;
    }
    ASSIGN_OR_RETURN(const OptimizerStep step, optimizer_->Step());
    metrics.Set("m_grad_norm", step.grad_norm);
  }
  return e_step_->ModelChanged();
}

Status EmTrainer::Save(const std::string& folder) const {
  RETURN_IF_ERROR(parts_.trainer->Save(folder));
  RETURN_IF_ERROR(parts_.model->parameters().Save(JoinPath(folder, kModelFile)));
  if (optimizer_.has_value()) RETURN_IF_ERROR(optimizer_->Save(JoinPath(folder, kModelOptimizer)));
  return WriteJsonFile(JoinPath(folder, kProgress), {{"step", step_}, {"m_steps", m_steps_}, {"e_step", e_step_->Progress()}});
}

Status EmTrainer::Load(const std::string& folder) {
  RETURN_IF_ERROR(parts_.trainer->Load(folder));
  RETURN_IF_ERROR(parts_.model->parameters().Load(JoinPath(folder, kModelFile)));
  if (optimizer_.has_value()) RETURN_IF_ERROR(optimizer_->Load(JoinPath(folder, kModelOptimizer)));
  const std::string path = JoinPath(folder, kProgress);
  ASSIGN_OR_RETURN(const nlohmann::json progress, ReadJsonFile(path));
  try {
    std::map<std::string, double> of_e_step = e_step_->Progress();
    const auto stored = progress.at("e_step").get<std::map<std::string, double>>();
    for (const auto& [name, value] : of_e_step) {
      if (!stored.contains(name)) return DataLoss(path + ": expected e_step." + name);
    }
    e_step_->SetProgress(stored);
    step_ = progress.at("step").get<int64_t>();
    m_steps_ = progress.at("m_steps").get<int64_t>();
  } catch (const nlohmann::json::exception& error) {
    return DataLoss(path + ": " + error.what());
  }
  return OkStatus();
}

}  // namespace gfn
