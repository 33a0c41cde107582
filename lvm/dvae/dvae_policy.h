// q(z | x) of a discrete VAE: convolutions read the image once, a small network joins what they say with the codes assigned so
// far. Shapes: B rows, U distinct images, E numbers of an encoded image, K values of a code.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "gflownet/core/state_policy.h"
#include "gflownet/nets/convolution.h"
#include "gflownet/nets/linear.h"
#include "gflownet/nets/mlp.h"
#include "gflownet/tensor/parameter_set.h"
#include "lvm/dvae/dvae_model.h"

namespace gfn {

struct DvaePolicyConfig {
  int64_t encoded = 64;
  int64_t width = 128;

  template <class V>
  void Visit(V& v) {
    v("encoded", encoded, "numbers that the convolutions make of an image", Between(1, 65536));
    v("width", width, "units of the layers that join them with the codes so far", Between(1, 65536));
  }
};

// Parameters "encoder.*" and "join.*", group "policy". log F is not learned. The model must outlive the policy.
class DvaePolicy : public StatePolicy {
 public:
  DvaePolicy(const Environment& environment, const DvaeModel& model, const DvaePolicyConfig& config, ParameterSet& parameters,
             uint64_t seed);
  StateValues Evaluate(const State& state) const override;
  bool HasFlow() const override { return false; }
  bool HasLearnedBackward() const override { return false; }
  // Encodes the images once for all steps.
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override;

  // float [U, E]
  at::Tensor Encode(const at::Tensor& images_U1SS) const;
  // [B, K], of encoded images of each row.
  at::Tensor Join(const State& state, const at::Tensor& encoded_BE) const;

  static double NumParameters(const DvaeConfig& model, int64_t side, const DvaePolicyConfig& config);

 private:
  const DvaeModel& model_;
  std::vector<Conv2d> down_;
  std::vector<ResidualConvBlock> blocks_;
  std::unique_ptr<Linear> encoded_;
  Mlp state_, join_;
};

}  // namespace gfn
