// A discrete variational autoencoder (Hu et al. 2302.06576, section 4.3): an image x of S x S binary pixels and a grid of G x G
// codes z of K values, p(x, z) = K^(-G^2) * product over pixels of Bernoulli(x | decoder(z)). Each code is one number of an
// embedding; the decoder is 1x1 -> residual blocks -> transposed convolutions that double the side -> 1x1. Shapes: B rows, N =
// G^2 codes, C images, S side.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/condition.h"
#include "gflownet/nets/convolution.h"
#include "gflownet/nets/embedding.h"
#include "lvm/code_world.h"
#include "lvm/condition_rows.h"
#include "lvm/generative_model.h"

namespace gfn {

struct DvaeConfig {
  int64_t grid = 4;
  int64_t num_codes = 10;
  int64_t embedding = 1;
  int64_t channels = 128;
  int64_t residual_blocks = 2;

  template <class V>
  void Visit(V& v) {
    v("grid", grid, "codes along each side", Between(1, 32));
    v("num_codes", num_codes, "values of a code", Between(2, 4096));
    v("embedding", embedding, "numbers that a code is decoded from", Between(1, 1024));
    v("channels", channels, "of the decoder's and the encoder's hidden layers", Between(1, 4096));
    v("residual_blocks", residual_blocks, "blocks before the upsampling", Between(0, 64));
  }
};

// How the side grows from the grid to the image, by kernels of the transposed convolutions (3: 2s - 1, 4: 2s). InvalidArgument if
// it cannot: with grid 4, sides 4, 7, 8, 14, 16, 28, 32, ... can be made.
StatusOr<std::vector<int64_t>> UpsamplingKernels(int64_t grid, int64_t side);

class DvaeModel : public GenerativeModel {
 public:
  // `images_CSS`: uint8, 0 or 1.
  static StatusOr<std::unique_ptr<DvaeModel>> Create(const DvaeConfig& config, const at::Tensor& images_CSS, uint64_t seed);

  ParameterSet& parameters() override { return parameters_; }
  StatusOr<at::Tensor> LogJoint(const TrajectoryBatch& batch) const override;
  StatusOr<TrajectoryBatch> SampleJoint(int64_t num, const RngKey& key) override;
  std::string Digest() const override;

  const CodeWorld& world() const { return world_; }
  // Of the images, in their order; equal images are one condition.
  const ConditionTable& conditions() const { return conditions_; }
  const std::vector<ConditionId>& ids_of_images() const { return ids_of_images_; }
  // float [B, 1, S, S] of images and of the last dream.
  at::Tensor ImagesOf(const at::Tensor& ids_B) const;
  // Logits of the pixels, float [B, S, S].
  at::Tensor Decode(const at::Tensor& codes_BN) const;
  int64_t side() const { return images_C_.size(1); }
  const DvaeConfig& config() const { return config_; }

 private:
  DvaeModel(const DvaeConfig& config, int64_t side, const std::vector<int64_t>& kernels, uint64_t seed);

  DvaeConfig config_;
  CodeWorld world_;
  ParameterSet parameters_;
  Embedding codes_;
  Conv2d in_;
  std::vector<ResidualConvBlock> blocks_;
  std::vector<ConvTranspose2d> up_;
  Conv2d out_;
  ConditionTable conditions_;
  std::vector<ConditionId> ids_of_images_;
  at::Tensor images_C_, dream_D_;  // uint8 [., S, S]
  ConditionRows rows_;
};

}  // namespace gfn
