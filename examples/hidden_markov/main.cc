// A latent-variable model of one's own, outside the library's tree: a hidden Markov model whose paths of hidden states are drawn
// by a GFlowNet. EM with that sampler is compared with EM by the exact posterior from the same start; both likelihoods come from
// the forward algorithm, which the sampler never sees.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <iostream>

#include "gflownet/core/condition_column.h"
#include "gflownet/core/trainer.h"
#include "gflownet/env/state_policies.h"
#include "gflownet/tensor/random.h"
#include "lvm/condition_rows.h"
#include "lvm/em_trainer.h"

using gfn::ConditionId, gfn::TrajectoryBatch;
constexpr int64_t kLength = 5, kStates = 3, kSymbols = 4, kSequences = 150;

class HiddenMarkov : public gfn::GenerativeModel {
 public:
  explicit HiddenMarkov(uint64_t seed) : world("hidden_markov", kLength, kStates) {
    const auto add = [&](const char* name, at::IntArrayRef sizes) {
      return parameters_.Add(name, "model",
                             gfn::NormalTensor({seed, gfn::RngPurpose::kInit, 0}, sizes, at::kDouble, parameters_.size() + 1));
    };
    first_ = add("first", {kStates});
    next_ = add("next", {kStates, kStates});
    symbol_ = add("symbol", {kStates, kSymbols});
  }
  void SetData(const at::Tensor& data_CT) {
    data_ = data_CT;
    for (int64_t c = 0; c < data_.size(0); ++c) {
      std::string text;
      for (int64_t t = 0; t < kLength; ++t) text += static_cast<char>('a' + data_[c][t].item<int64_t>());
      (void)conditions.Insert(text + " " + std::to_string(c)).value();
    }
    rows_.SetData(conditions.ids());
  }
  gfn::ParameterSet& parameters() override { return parameters_; }
  at::Tensor Observed(const at::Tensor& ids_B) const { return at::cat({data_, dream_}).index_select(0, rows_.Of(ids_B)); }

  gfn::StatusOr<at::Tensor> LogJoint(const TrajectoryBatch& batch) const override {
    const at::Tensor z = batch.actions_BT, x = Observed(gfn::ConditionColumn(batch.condition_ids));
    at::Tensor sum = first_.log_softmax(0).index_select(0, z.select(1, 0));
    const at::Tensor next = next_.log_softmax(1), symbol = symbol_.log_softmax(1);
    for (int64_t t = 0; t < kLength; ++t) {
      if (t > 0) sum = sum + next.index({z.select(1, t - 1), z.select(1, t)});
      sum = sum + symbol.index({z.select(1, t), x.select(1, t)});
    }
    return sum;
  }
  gfn::StatusOr<TrajectoryBatch> SampleJoint(int64_t num, const gfn::RngKey& key) override {
    const auto [z, x] = Draw(num, key);
    dream_ = x;
    std::vector<ConditionId> ids;
    for (int64_t n = 0; n < num; ++n) ids.push_back(gfn::HashCondition("dream " + std::to_string(n)));
    rows_.SetDream(ids);
    return world.TrajectoriesTo(ids, z);
  }
  std::string Digest() const override { return "hidden Markov model"; }

  // Paths and what is seen of them, int64 [num, T] each.
  std::pair<at::Tensor, at::Tensor> Draw(int64_t num, const gfn::RngKey& key) const {
    const at::NoGradGuard no_grad;
    const at::Tensor u = gfn::UniformTensor(key, {2, num, kLength}, at::kDouble, 1);
    const auto pick = [](const at::Tensor& p, const at::Tensor& u) {
      return p.cumsum(1).lt(u.unsqueeze(1)).sum(1).clamp_max(p.size(1) - 1);
    };
    std::vector<at::Tensor> z, x;
    for (int64_t t = 0; t < kLength; ++t) {
      z.push_back(
          pick(t == 0 ? first_.softmax(0).expand({num, -1}) : next_.softmax(1).index_select(0, z.back()), u[0].select(1, t)));
      x.push_back(pick(symbol_.softmax(1).index_select(0, z.back()), u[1].select(1, t)));
    }
    return {at::stack(z, 1), at::stack(x, 1)};
  }
  // The forward algorithm: mean log p(x) of the data.
  double LogLikelihood() const {
    const at::NoGradGuard no_grad;
    const at::Tensor symbol = symbol_.log_softmax(1).t(), next = next_.log_softmax(1);
    at::Tensor alpha = first_.log_softmax(0) + symbol.index_select(0, data_.select(1, 0));
    for (int64_t t = 1; t < kLength; ++t) {
      alpha = (alpha.unsqueeze(2) + next).logsumexp(1) + symbol.index_select(0, data_.select(1, t));
    }
    return alpha.logsumexp(1).mean().item<double>();
  }

  gfn::CodeWorld world;
  gfn::ConditionTable conditions;

 private:
  gfn::ParameterSet parameters_;
  at::Tensor first_, next_, symbol_, data_, dream_ = at::empty({0, kLength}, at::kLong);
  gfn::ConditionRows rows_;
};

double Fit(const at::Tensor& data, const gfn::EmConfig& config, int64_t steps) {
  HiddenMarkov model(2);
  model.SetData(data);
  const gfn::ModelReward reward(model);
  gfn::ParameterSet parameters;
  const gfn::StateFeatures features([&](const gfn::State& state) {
    const at::Tensor seen = at::one_hot(model.Observed(state.Get("condition")), kSymbols).flatten(1).to(at::kFloat);
    return at::cat({model.world.Features(state), seen}, 1);
  });
  const gfn::MlpPolicy policy(model.world, features, model.world.NumFeatures() + kLength * kSymbols, parameters,
                              {.heads = {}, .width = 64, .depth = 2}, {1, gfn::RngPurpose::kInit, 0});
  const auto objective = gfn::MakeObjective(gfn::VarGradConfig{}).value();
  gfn::Optimizer optimizer = gfn::Optimizer::Create({.learning_rate = 3e-3}, &parameters).value();
  auto trainer = gfn::Trainer::Create({.conditions_per_step = 50, .rollouts = 4}, {.environment = &model.world,
                                                                                   .policy = &policy,
                                                                                   .reward = &reward,
                                                                                   .objective = objective.get(),
                                                                                   .parameters = &parameters,
                                                                                   .optimizer = &optimizer,
                                                                                   .conditions = model.conditions.ids(),
                                                                                   .seed = 1})
                     .value();
  gfn::EmParts parts;
  parts.environment = &model.world, parts.policy = &policy, parts.reward = &reward, parts.trainer = trainer.get();
  parts.model = &model, parts.listed = &model.world, parts.seed = 1, parts.conditions = model.conditions.ids();
  auto em = gfn::EmTrainer::Create(config, parts).value();
  for (int64_t step = 0; step < steps; ++step) {
    if (const auto metrics = em->Step(); !metrics.ok()) std::cerr << metrics.status() << "\n", exit(1);
  }
  return model.LogLikelihood();
}

int main() {
  const at::Tensor data = HiddenMarkov(7).Draw(kSequences, {5, gfn::RngPurpose::kData, 0}).second;
  gfn::EmConfig sampled, exact;
  sampled.updates_per_step = 1000;
  sampled.e_step = gfn::SamplerEStepConfig{.max_updates = 15, .samples = 4, .sleep = {.every = 1, .rows = 200}};
  exact.e_step = gfn::ExactEStepConfig{};
  gfn::GradientMStepConfig m_step;
  m_step.steps = 3;
  m_step.optimizer.learning_rate = 0.05;
  sampled.m_step = exact.m_step = m_step;
  std::cout << "start " << Fit(data, exact, 0) << "\n";
  const double by_sampler = Fit(data, sampled, 60), by_exact = Fit(data, exact, 60);
  std::cout << "sampler " << by_sampler << "\nexact " << by_exact << "\n";
}
