#include "lvm/dvae/dvae_policy.h"

#include <tuple>

#include "gflownet/core/condition_column.h"

namespace gfn {
namespace {

constexpr char kPolicyParameters[] = "policy";

class DvaeSession : public RolloutSession {
 public:
  DvaeSession(const DvaePolicy& policy, at::Tensor encoded_NE) : policy_(policy), encoded_NE_(std::move(encoded_NE)) {}
  at::Tensor Logits(const State& state) override { return policy_.Join(state, encoded_NE_); }
  void Advance(const at::Tensor&) override {}
  void Keep(const at::Tensor& rows_M) override { encoded_NE_ = encoded_NE_.index_select(0, rows_M); }

 private:
  const DvaePolicy& policy_;
  at::Tensor encoded_NE_;
};

// Each image once: the encoding of every row, by that of the distinct ones.
at::Tensor EncodeRows(const DvaePolicy& policy, const DvaeModel& model, const at::Tensor& ids_B) {
  const auto [ids_U, row_B, counts] = at::_unique2(ids_B, /*sorted=*/true, /*return_inverse=*/true);
  return policy.Encode(model.ImagesOf(ids_U)).index_select(0, row_B);
}

// From the image to at most 7 x 7 by halves.
int64_t NumHalvings(int64_t side) {
  int64_t halvings = 0;
  for (; side > 7; side = (side + 1) / 2) ++halvings;
  return halvings;
}
int64_t LastSide(int64_t side) {
  while (side > 7) side = (side + 1) / 2;
  return side;
}

}  // namespace

DvaePolicy::DvaePolicy(const Environment& environment, const DvaeModel& model, const DvaePolicyConfig& config,
                       ParameterSet& parameters, uint64_t seed)
    : StatePolicy(environment),
      model_(model),
      state_(&parameters, "state", kPolicyParameters, {model.world().NumFeatures(), config.width, config.encoded},
             MlpActivation::kRelu, {seed, RngPurpose::kInit, 5}, at::kFloat),
      join_(&parameters, "join", kPolicyParameters, {2 * config.encoded, config.width, model.config().num_codes},
            MlpActivation::kRelu, {seed, RngPurpose::kInit, 6}, at::kFloat) {
  const NetScope scope = {
      .parameters = &parameters, .name = "encoder", .group = kPolicyParameters, .key = {seed, RngPurpose::kInit, 4}};
  const int64_t channels = model.config().channels, halvings = NumHalvings(model.side());
  down_.emplace_back(scope.In("in"), Width{1}, Width{channels}, ConvolutionConfig{.kernel = 3, .padding = 1});
  for (int64_t k = 0; k < halvings; ++k) {
    down_.emplace_back(scope.In("down" + std::to_string(k)), Width{channels}, Width{channels},
                       ConvolutionConfig{.kernel = 3, .stride = 2, .padding = 1});
  }
  for (int64_t k = 0; k < model.config().residual_blocks; ++k) {
    blocks_.emplace_back(scope.In("block" + std::to_string(k)), Width{channels}, Width{channels});
  }
  const int64_t last = LastSide(model.side());
  encoded_ = std::make_unique<Linear>(scope.In("out"), Width{channels * last * last}, Width{config.encoded});
}

at::Tensor DvaePolicy::Encode(const at::Tensor& images_U1SS) const {
  at::Tensor x = images_U1SS;
  for (const Conv2d& layer : down_) x = at::relu(layer.Apply(x));
  for (const ResidualConvBlock& block : blocks_) x = block.Apply(x);
  return encoded_->Apply(at::relu(x).flatten(1));
}

at::Tensor DvaePolicy::Join(const State& state, const at::Tensor& encoded_BE) const {
  return join_.Apply(at::relu(at::cat({encoded_BE, state_.Apply(model_.world().Features(state))}, 1)));
}

StateValues DvaePolicy::Evaluate(const State& state) const {
  StateValues values;
  values.forward_logits_BA = Join(state, EncodeRows(*this, model_, state.Get("condition")));
  return values;
}

std::unique_ptr<RolloutSession> DvaePolicy::StartRollout(const std::vector<ConditionId>& conditions_B) const {
  const at::NoGradGuard no_grad;
  return std::make_unique<DvaeSession>(*this, EncodeRows(*this, model_, ConditionColumn(conditions_B)));
}

double DvaePolicy::NumParameters(const DvaeConfig& model, int64_t side, const DvaePolicyConfig& config) {
  const auto layer = [](double in, double out) { return (in + 1) * out; };
  const double channels = static_cast<double>(model.channels), encoded = static_cast<double>(config.encoded),
               width = static_cast<double>(config.width), last = static_cast<double>(LastSide(side)),
               codes = static_cast<double>(model.num_codes), sites = static_cast<double>(model.grid * model.grid);
  return layer(9, channels) + static_cast<double>(NumHalvings(side)) * layer(9 * channels, channels) +
         static_cast<double>(model.residual_blocks) * (layer(9 * channels, channels) + layer(channels, channels)) +
         layer(channels * last * last, encoded) + layer(sites * (codes + 1), width) + layer(width, encoded) +
         layer(2 * encoded, width) + layer(width, codes);
}

}  // namespace gfn
