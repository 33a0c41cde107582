#include "gflownet/env/continuous_policy.h"

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

constexpr double kMinSigma = 0.01, kMaxSigma = 0.6;
constexpr int64_t kWindings = 4;  // of a wrapped normal: images that are left out are 4 away, over 6 standard deviations

at::Tensor NormalCdf(const at::Tensor& z) { return 0.5 * (1 + at::erf(z * M_SQRT1_2)); }
at::Tensor LogNormalDensity(const at::Tensor& z) { return -0.5 * z.square() - 0.5 * std::log(2 * M_PI); }

class PointSession : public RolloutSession {
 public:
  explicit PointSession(const ContinuousPolicy& policy) : policy_(policy) {}

  at::Tensor Logits(const State&) override {
    GFN_CHECK(false) << "a continuous policy has no logits; its actions are drawn by Draw";
    return {};
  }
  void Advance(const at::Tensor&) override {}
  void Keep(const at::Tensor&) override {}

  StatusOr<at::Tensor> Draw(const State& state, const DrawAddress& address) override {
    PointMixture mixture = policy_.Forward(state);
    const at::Tensor finite_N =
        (mixture.log_weights_BK.sum(1) + mixture.means_BKD.sum({1, 2}) + mixture.sigma_BKD.sum({1, 2})).isfinite();
    if (!finite_N.all().item<bool>()) {
      return InvalidArgument("row " + std::to_string(finite_N.logical_not().nonzero()[0].item<int64_t>()) + " of " +
                             std::to_string(state.batch_size()) + ": the density of the next point is NaN or infinite");
    }
    // Numbers of row n: one for epsilon, one for the component, one for each coordinate.
    const int64_t rows = state.batch_size(), width = 2 + mixture.means_BKD.size(2);
    const at::Tensor uniforms = at::empty({rows, width}, at::kDouble);
    const at::Tensor epsilon_N1 = at::empty({rows, 1}, at::kDouble), temperature_N11 = at::empty({rows, 1, 1}, at::kDouble);
    for (int64_t row = 0; row < rows; ++row) {
      const Exploration& exploration = address.exploration_N[row];
      if (exploration.top_k > 0 || exploration.top_p < 1)
        return InvalidArgument("top_k and top_p choose among discrete actions; these are points");
      epsilon_N1.data_ptr<double>()[row] = exploration.epsilon;
      temperature_N11.data_ptr<double>()[row] = exploration.temperature;
      for (int64_t i = 0; i < width; ++i) {
        uniforms.data_ptr<double>()[row * width + i] =
            UniformOpen(address.key, address.streams_N[row], address.position * width + i);
      }
    }
    mixture.sigma_BKD = mixture.sigma_BKD * temperature_N11;
    const at::Tensor explores_N1 = uniforms.slice(1, 0, 1).lt(epsilon_N1);
    return at::where(explores_N1, uniforms.slice(1, 2), mixture.Draw(uniforms.slice(1, 1)));
  }

 private:
  const ContinuousPolicy& policy_;
};

// values_M at flat places of a [B, T] matrix of zeros, differentiable.
at::Tensor Spread(const at::Tensor& values_M, const at::Tensor& places_M, const at::Tensor& mask_BT) {
  return at::zeros({mask_BT.numel()}, values_M.options()).index_copy(0, places_M, values_M).view(mask_BT.sizes());
}

}  // namespace

at::Tensor PointMixture::LogDensity(const at::Tensor& points_BD) const {
  const at::Tensor x_BKD = points_BD.unsqueeze(1) - means_BKD;
  at::Tensor log_density_BKD;
  if (wraps) {
    std::vector<at::Tensor> images;
    for (int64_t winding = -kWindings; winding <= kWindings; ++winding)
      images.push_back(LogNormalDensity((x_BKD + winding) / sigma_BKD));
    log_density_BKD = at::stack(images).logsumexp(0) - sigma_BKD.log();
  } else {
    const at::Tensor mass_BKD = NormalCdf((1 - means_BKD) / sigma_BKD) - NormalCdf(-means_BKD / sigma_BKD);
    log_density_BKD = LogNormalDensity(x_BKD / sigma_BKD) - sigma_BKD.log() - mass_BKD.log();
  }
  return (log_weights_BK + log_density_BKD.sum(2)).logsumexp(1);
}

at::Tensor PointMixture::Draw(const at::Tensor& uniforms) const {
  const at::Tensor below_BK = log_weights_BK.exp().cumsum(1).le(uniforms.slice(1, 0, 1));
  const at::Tensor component_B = below_BK.sum(1).clamp_max(log_weights_BK.size(1) - 1);
  const at::Tensor index_B1D = component_B.view({-1, 1, 1}).expand({-1, 1, means_BKD.size(2)});
  const at::Tensor mean_BD = means_BKD.gather(1, index_B1D).squeeze(1), sigma_BD = sigma_BKD.gather(1, index_B1D).squeeze(1);
  at::Tensor quantile_BD = uniforms.slice(1, 1);
  if (!wraps) {
    const at::Tensor low_BD = NormalCdf(-mean_BD / sigma_BD), high_BD = NormalCdf((1 - mean_BD) / sigma_BD);
    quantile_BD = low_BD + quantile_BD * (high_BD - low_BD);
  }
  const at::Tensor points_BD = mean_BD + sigma_BD * M_SQRT2 * at::erfinv(2 * quantile_BD - 1);
  return wraps ? points_BD - points_BD.floor() : points_BD.clamp(0, 1);
}

ContinuousPolicy::ContinuousPolicy(const Environment& environment, StateFeatures features, int64_t num_features,
                                   ParameterSet& parameters, const ContinuousPolicyOptions& options, const RngKey& init)
    : environment_(environment),
      features_(std::move(features)),
      options_(options),
      trunk_(&parameters, "mlp", kPolicyGroup, options.mlp.HiddenSizes(num_features), MlpActivation::kRelu, init,
             options.mlp.heads.dtype) {
  GFN_CHECK(environment.Spec().action == EnvironmentSpec::Action::kContinuous)
      << environment.Spec().name << " has discrete actions";
  const int64_t outputs = options.num_components * (1 + 2 * environment.Spec().action_width);
  auto head = [&](const std::string& name, int64_t out, uint64_t number) {
    const RngKey key{init.seed, init.purpose, init.step + number};
    return std::make_unique<Linear>(&parameters, name, kPolicyGroup, options.mlp.width, out, key, options.mlp.heads.dtype);
  };
  forward_ = head("forward", outputs, 1);
  if (options.mlp.heads.learned_backward) backward_ = head("backward", outputs, 2);
  if (options.mlp.heads.flow) flow_ = head("flow", 1, 3);
}

Needs ContinuousPolicy::Provides() const {
  const Needs needs = Need::kLogPf | Need::kLogPb;
  return flow_ != nullptr ? needs | Need::kLogFlow : needs;
}

std::unique_ptr<RolloutSession> ContinuousPolicy::StartRollout(const std::vector<ConditionId>&) const {
  return std::make_unique<PointSession>(*this);
}

at::Tensor ContinuousPolicy::Hidden(const State& state) const {
  return trunk_.Apply(features_(state).to(options_.mlp.heads.dtype)).relu();
}

// Densities are computed in float64: sums over many components and steps of large logarithms.
PointMixture ContinuousPolicy::MixtureOf(const at::Tensor& outputs) const {
  const int64_t components = options_.num_components, width = environment_.Spec().action_width;
  const at::Tensor values = outputs.to(at::kDouble);
  PointMixture mixture;
  mixture.wraps = options_.wraps;
  mixture.log_weights_BK = values.slice(1, 0, components).log_softmax(1);
  mixture.means_BKD = values.slice(1, components, components * (1 + width)).view({-1, components, width}).sigmoid();
  const at::Tensor spread_BKD = values.slice(1, components * (1 + width)).view({-1, components, width}).sigmoid();
  mixture.sigma_BKD = kMinSigma + (kMaxSigma - kMinSigma) * spread_BKD;
  return mixture;
}

PointMixture ContinuousPolicy::Forward(const State& state) const { return MixtureOf(forward_->Apply(Hidden(state))); }

PointMixture ContinuousPolicy::Backward(const State& state) const {
  GFN_CHECK(backward_ != nullptr) << "the backward policy is uniform";
  return MixtureOf(backward_->Apply(Hidden(state)));
}

TrajectoryScores ContinuousPolicy::Score(const TrajectoryBatch& batch, const ScoreOptions& options) const {
  GFN_CHECK(Provides().Covers(options.needs)) << "asked for " << options.needs.Without(Provides()).ToString();
  const at::AutoGradMode grad_mode(options.with_grad);
  TrajectoryScores scores;
  SetGroups(batch, at::kCPU, scores);
  const int64_t num_steps = batch.num_steps();

  // As StatePolicy does: real decision states and their children, step-major.
  const std::vector<State> states = Unroll(environment_, batch);
  const at::Tensor places_M = scores.mask_BT.flatten().nonzero().squeeze(1);
  const at::Tensor step_major_M = places_M.remainder(num_steps) * batch.size() + places_M.div(num_steps, "floor");
  const State parent = State::Concatenate({states.begin(), states.end() - 1}).Gather(step_major_M);
  const at::Tensor actions_MD = batch.actions_BT.flatten(0, 1).index_select(0, places_M).to(at::kDouble);

  const at::Tensor hidden = Hidden(parent);
  scores.log_pf_BT = Spread(MixtureOf(forward_->Apply(hidden)).LogDensity(actions_MD), places_M, scores.mask_BT);
  if (options.needs.Has(Need::kLogFlow)) {
    scores.log_flow_BT = Spread(flow_->Apply(hidden).squeeze(1).to(at::kDouble), places_M, scores.mask_BT);
  }
  if (options.needs.Has(Need::kLogPb)) {
    at::Tensor log_pb_M = at::zeros({places_M.numel()}, at::kDouble);
    if (backward_ != nullptr) {
      const State child = State::Concatenate({states.begin() + 1, states.end()}).Gather(step_major_M);
      const Support support = environment_.BackwardSupport(child);
      const at::Tensor before_MD = environment_.BackwardAction(parent, actions_MD);
      // Where one point alone lies before, its probability is 1.
      const at::Tensor certain_M = support.low_BD.eq(support.high_BD).all(1);
      log_pb_M = at::where(certain_M, log_pb_M, Backward(child).LogDensity(before_MD));
    }
    scores.log_pb_BT = Spread(log_pb_M, places_M, scores.mask_BT);
  }
  return scores;
}

std::unique_ptr<Policy> MakePolicy(const RewardedWorld& world, ParameterSet& parameters, const MlpOptions& options,
                                   const RngKey& init) {
  if (world.environment->Spec().action == EnvironmentSpec::Action::kContinuous) {
    return std::make_unique<ContinuousPolicy>(*world.environment, world.features, world.num_features, parameters,
                                              ContinuousPolicyOptions{.mlp = options, .wraps = world.wraps}, init);
  }
  return std::make_unique<MlpPolicy>(*world.environment, world.features, world.num_features, parameters, options, init);
}

at::Tensor LogTerminatingDensity(const ContinuousPolicy& policy, const Environment& environment, const at::Tensor& points_GD,
                                 const std::function<State(const at::Tensor& points_GD, int64_t moves)>& states_at) {
  const at::NoGradGuard no_grad;
  const int64_t num_points = points_GD.size(0);
  const PointMixture first = policy.Forward(environment.Initial({Unconditional()}).Gather(at::zeros({num_points}, at::kLong)));
  at::Tensor log_density_G = first.LogDensity(points_GD);
  for (int64_t moves = 1; moves < environment.Spec().max_steps; ++moves) {
    const PointMixture next = policy.Forward(states_at(points_GD, moves));
    std::vector<at::Tensor> columns;
    for (int64_t target = 0; target < num_points; ++target) {
      const at::Tensor log_step_G = next.LogDensity(points_GD.slice(0, target, target + 1));
      columns.push_back((log_density_G + log_step_G).logsumexp(0) - std::log(static_cast<double>(num_points)));
    }
    log_density_G = at::stack(columns);
  }
  return log_density_G;
}

}  // namespace gfn
