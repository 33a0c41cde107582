// p(y | x z) as a model that is fitted: the M-step of EM on a language model (Hu et al. 2310.04363, section 4.3). The prior p(z |
// x) stays the frozen model; an adapter of its own learns the endings behind the rationales that the sampler draws.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "gflownet/tensor/parameter_set.h"
#include "llm/gfn/sequence_environment.h"
#include "llm/lora/lora.h"
#include "lvm/generative_model.h"
#include "tasks/text/answer_model_config.h"

namespace gfn {

class AnswerModel : public GenerativeModel {
 public:
  // Model and environment outlive it.
  static StatusOr<std::unique_ptr<AnswerModel>> Create(const AnswerModelConfig& config, const LanguageModel& model,
                                                       const SequenceEnvironment& environment, uint64_t seed);

  ParameterSet& parameters() override { return parameters_; }
  // log p(z stop | x) of the frozen model + log p(y | x z stop) of the fitted one. Where the condition has rivals, the latter is
  // normalised over y and them: other endings do not occur.
  StatusOr<at::Tensor> LogJoint(const TrajectoryBatch& batch) const override;
  // Questions cannot be drawn.
  bool HasJointSamples() const override { return false; }
  StatusOr<TrajectoryBatch> SampleJoint(int64_t num, const RngKey& key) override;
  std::string Digest() const override;

  const AnswerModelConfig& config() const { return config_; }
  const Adapter& adapter() const { return adapter_; }
  const PeftConfig& adapter_config() const { return adapter_config_; }

 private:
  AnswerModel(const AnswerModelConfig& config, const LanguageModel& model, const SequenceEnvironment& environment)
      : config_(config), model_(model), environment_(environment) {}

  AnswerModelConfig config_;
  const LanguageModel& model_;
  const SequenceEnvironment& environment_;
  ParameterSet parameters_;
  Adapter adapter_;
  PeftConfig adapter_config_;
};

}  // namespace gfn
