#include "lvm/e_step.h"

#include <algorithm>

#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

uint64_t Unsigned(int64_t value) { return static_cast<uint64_t>(value); }

// z of the policy as it is, and Metropolis-Hastings steps from there.
StatusOr<TrajectoryBatch> DrawFromPolicy(const EStepParts& parts, const std::vector<ConditionId>& conditions, int64_t samples,
                                         int64_t chain_steps, LocalSearchConfig chain, int64_t m_steps) {
  const RngKey key{parts.seed, RngPurpose::kSample, Unsigned(m_steps)};
  ASSIGN_OR_RETURN(TrajectoryBatch batch, Rollout(*parts.environment, *parts.policy, RolloutRows(conditions, samples), key));
  if (chain_steps == 0) return batch;
  RETURN_IF_ERROR(EvaluateReward(*parts.reward, batch));
  chain.iterations = chain_steps;
  LocalSearchInput input;
  input.batch = std::move(batch);
  for (int64_t row = 0; row < input.batch.size(); ++row) input.streams.push_back(Unsigned(row));
  return LocalSearch(*parts.environment, *parts.policy, *parts.reward, chain, input, key);
}

class SamplerEStep : public EStep {
 public:
  SamplerEStep(const SamplerEStepConfig& config, const EStepParts& parts, std::unique_ptr<Objective> likelihood)
      : config_(config), parts_(parts), likelihood_(std::move(likelihood)) {}

  StatusOr<bool> Update(int64_t m_steps, StepMetrics& metrics) override {
    if (!config_.sleep.only) {
      ASSIGN_OR_RETURN(metrics, parts_.trainer->Step());
      const double loss = *metrics.Find("loss");
      average_ = has_average_ ? config_.average_decay * average_ + (1 - config_.average_decay) * loss : loss;
      has_average_ = true;
      metrics.Set("loss_average", average_);
    }
    ++since_m_step_, ++updates_;
    if (config_.sleep.every > 0 && updates_ % config_.sleep.every == 0) RETURN_IF_ERROR(Sleep(metrics));
    const bool low = config_.threshold.has_value() && has_average_ && average_ < config_.threshold->At(m_steps);
    return since_m_step_ >= config_.max_updates || (low && since_m_step_ >= config_.min_updates);
  }

  StatusOr<TrajectoryBatch> Draw(const std::vector<ConditionId>& conditions, int64_t m_steps) override {
    return DrawFromPolicy(parts_, conditions, config_.samples, config_.chain_steps, config_.chain, m_steps);
  }

  Status ModelChanged() override {
    since_m_step_ = 0;
    return parts_.trainer->RewardChanged();
  }

  std::map<std::string, double> Progress() const override {
    std::map<std::string, double> progress = {{"updates", static_cast<double>(updates_)},
                                              {"since_m_step", static_cast<double>(since_m_step_)}};
    if (has_average_) progress["average"] = average_;
    return progress;
  }
  void SetProgress(const std::map<std::string, double>& progress) override {
    updates_ = static_cast<int64_t>(progress.at("updates"));
    since_m_step_ = static_cast<int64_t>(progress.at("since_m_step"));
    has_average_ = progress.contains("average");
    average_ = has_average_ ? progress.at("average") : 0;
  }

 private:
  // q learns from pairs for which the model itself says what z was.
  Status Sleep(StepMetrics& metrics) {
    const RngKey key{parts_.seed, RngPurpose::kData, Unsigned(updates_)};
    ASSIGN_OR_RETURN(const TrajectoryBatch dream, parts_.model->SampleJoint(config_.sleep.rows, key));
    ASSIGN_OR_RETURN(const StepMetrics sleep, parts_.trainer->StepOn(dream, *likelihood_));
    metrics.Merge(sleep, "sleep_");
    return OkStatus();
  }

  SamplerEStepConfig config_;
  EStepParts parts_;
  std::unique_ptr<Objective> likelihood_;
  double average_ = 0;
  bool has_average_ = false;
  int64_t updates_ = 0, since_m_step_ = 0;
};

class ChainEStep : public EStep {
 public:
  ChainEStep(const ChainEStepConfig& config, const EStepParts& parts) : config_(config), parts_(parts) {}
  StatusOr<bool> Update(int64_t, StepMetrics&) override { return true; }
  StatusOr<TrajectoryBatch> Draw(const std::vector<ConditionId>& conditions, int64_t m_steps) override {
    return DrawFromPolicy(parts_, conditions, config_.samples, config_.steps, {}, m_steps);
  }

 private:
  ChainEStepConfig config_;
  EStepParts parts_;
};

// float64 [C, X]: the product of one distribution a site that is nearest to the posterior, by coordinate ascent from uniform
// ones.
at::Tensor MeanField(const at::Tensor& log_joint_CX, const at::Tensor& codes_XN, int64_t num_values, int64_t sweeps) {
  const int64_t num_sites = codes_XN.size(1);
  std::vector<at::Tensor> one_hot_XK, q_CK;
  for (int64_t n = 0; n < num_sites; ++n) {
    one_hot_XK.push_back(at::one_hot(codes_XN.select(1, n), num_values).to(at::kDouble));
    q_CK.push_back(at::full({log_joint_CX.size(0), num_values}, 1.0 / static_cast<double>(num_values), at::kDouble));
  }
  const auto product = [&](int64_t but) {
    at::Tensor product_CX = at::ones_like(log_joint_CX);
    for (int64_t n = 0; n < num_sites; ++n) {
      if (n != but) product_CX = product_CX * q_CK[n].index_select(1, codes_XN.select(1, n));
    }
    return product_CX;
  };
  for (int64_t sweep = 0; sweep < sweeps; ++sweep) {
    for (int64_t n = 0; n < num_sites; ++n) q_CK[n] = (product(n) * log_joint_CX).matmul(one_hot_XK[n]).softmax(1);
  }
  return product(-1);
}

class ListedEStep : public EStep {
 public:
  // How the z of one M-step are chosen from the list.
  enum class How { kExact, kSampling, kMeanField };
  ListedEStep(How how, int64_t number, const EStepParts& parts) : how_(how), number_(number), parts_(parts) {}
  StatusOr<bool> Update(int64_t, StepMetrics&) override { return true; }

  StatusOr<TrajectoryBatch> Draw(const std::vector<ConditionId>& conditions, int64_t m_steps) override {
    const at::NoGradGuard no_grad;
    TrajectoryBatch all = parts_.listed->EveryObject(conditions);
    const int64_t num_conditions = static_cast<int64_t>(conditions.size());
    ASSIGN_OR_RETURN(const at::Tensor log_joint_B, parts_.model->LogJoint(all));
    const at::Tensor log_joint_CX = log_joint_B.view({num_conditions, -1});
    const int64_t num_objects = log_joint_CX.size(1);
    if (how_ == How::kMeanField) {
      const at::Tensor codes_XN = all.actions_BT.slice(0, 0, num_objects);
      all.weight_B = MeanField(log_joint_CX, codes_XN, parts_.listed->num_values(), number_).flatten();
    } else if (how_ == How::kExact) {
      all.weight_B = log_joint_CX.softmax(1).flatten();
    } else {
      return all.Gather(SampleRows(log_joint_CX.softmax(1), m_steps));
    }
    return all;
  }

 private:
  std::vector<int64_t> SampleRows(const at::Tensor& posterior_CX, int64_t m_steps) const {
    const at::Tensor cumulative_CX = posterior_CX.cumsum(1).contiguous();
    const int64_t num_objects = cumulative_CX.size(1);
    std::vector<int64_t> rows;
    for (int64_t c = 0; c < cumulative_CX.size(0); ++c) {
      const double* begin = cumulative_CX.const_data_ptr<double>() + c * num_objects;
      for (int64_t n = 0; n < number_; ++n) {
        const double u = Uniform({parts_.seed, RngPurpose::kSample, Unsigned(m_steps)}, Unsigned(c), Unsigned(n));
        const int64_t object = std::upper_bound(begin, begin + num_objects, u) - begin;
        rows.push_back(c * num_objects + std::min(object, num_objects - 1));
      }
    }
    return rows;
  }

  How how_;
  int64_t number_;  // samples, or sweeps
  EStepParts parts_;
};

}  // namespace

StatusOr<std::unique_ptr<EStep>> MakeEStep(const EmConfig& config, const EStepParts& parts) {
  using How = ListedEStep::How;
  const auto listed = [&](How how, int64_t number) -> StatusOr<std::unique_ptr<EStep>> {
    if (parts.listed == nullptr) return InvalidArgument("em.e_step: needs a list of all z, which this model has not");
    return std::unique_ptr<EStep>(std::make_unique<ListedEStep>(how, number, parts));
  };
  if (std::holds_alternative<ExactEStepConfig>(config.e_step)) return listed(How::kExact, 0);
  if (const auto* sampling = std::get_if<ExactSamplingEStepConfig>(&config.e_step)) {
    return listed(How::kSampling, sampling->samples);
  }
  if (const auto* field = std::get_if<MeanFieldEStepConfig>(&config.e_step)) return listed(How::kMeanField, field->sweeps);
  if (const auto* chain = std::get_if<ChainEStepConfig>(&config.e_step)) {
    return std::unique_ptr<EStep>(std::make_unique<ChainEStep>(*chain, parts));
  }
  const auto& sampler = std::get<SamplerEStepConfig>(config.e_step);
  if (sampler.sleep.every > 0 && !parts.model->HasJointSamples()) {
    return InvalidArgument("em.e_step.sleep: " + parts.model->Digest() + " cannot be drawn from: there is no sleep phase");
  }
  ASSIGN_OR_RETURN(auto likelihood, MakeObjective(MaximumLikelihoodConfig{}));
  return std::unique_ptr<EStep>(std::make_unique<SamplerEStep>(sampler, parts, std::move(likelihood)));
}

}  // namespace gfn
