#include "tasks/text/answer_model.h"

#include "llm/gfn/ending_likelihood.h"
#include "llm/gfn/likelihood_reward.h"

namespace gfn {

StatusOr<std::unique_ptr<AnswerModel>> AnswerModel::Create(const AnswerModelConfig& config, const LanguageModel& model,
                                                           const SequenceEnvironment& environment, uint64_t seed) {
  std::unique_ptr<AnswerModel> made(new AnswerModel(config, model, environment));
  // Another start than that of the sampler's adapter.
  auto started = StartAdapter(model, config.lora.Completed(), MixBits(seed + 1), made->parameters_);
  if (!started.ok()) return Annotate(started.status(), "task.answer_model");
  made->adapter_ = std::move(started->adapter);
  made->adapter_config_ = std::move(started->config);
  return made;
}

StatusOr<at::Tensor> AnswerModel::LogJoint(const TrajectoryBatch& batch) const {
  const LikelihoodReward prior(model_, environment_, "prior", {});
  ASSIGN_OR_RETURN(const RewardValue value, prior.LogReward(batch));
  const at::Tensor log_p_z_B = value.log_reward_B - value.terms.at("log_p_y");
  const at::Tensor endings_BE = EndingLogLikelihoods(
      model_, environment_, batch, {.adapter = &adapter_, .with_grad = at::GradMode::is_enabled(), .dropout_key = {}});
  const at::Tensor log_p_y_B = endings_BE.size(1) > 1 ? endings_BE.log_softmax(1).select(1, 0) : endings_BE.select(1, 0);
  return log_p_z_B + log_p_y_B;
}

StatusOr<TrajectoryBatch> AnswerModel::SampleJoint(int64_t, const RngKey&) { return Unimplemented("questions cannot be drawn"); }

std::string AnswerModel::Digest() const { return "p(y | x z) with an adapter of rank " + std::to_string(adapter_config_.rank); }

}  // namespace gfn
