#include "lvm/dvae/dvae_model.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/digest.h"
#include "gflownet/core/condition_column.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

constexpr char kGroup[] = "decoder";

NetScope DecoderScope(ParameterSet* parameters, uint64_t seed) {
  return {.parameters = parameters, .name = "decoder", .group = kGroup, .key = {seed, RngPurpose::kInit, 3}};
}

// Equal pixels are one condition; its name is a hash of them, since the pixels themselves are nothing to read.
std::string ImageContent(const uint8_t* pixels, int64_t num) {
  return "image " + DigestToHex(Digest().Bytes({reinterpret_cast<const std::byte*>(pixels), static_cast<size_t>(num)}).value());
}

}  // namespace

StatusOr<std::vector<int64_t>> UpsamplingKernels(int64_t grid, int64_t side) {
  std::vector<int64_t> kernels;
  int64_t rest = side;
  while (rest > grid && rest % 2 == 0) {
    kernels.push_back(4);
    rest /= 2;
  }
  if (rest == 2 * grid - 1 && rest != grid) {
    kernels.push_back(3);
    rest = grid;
  }
  if (rest != grid) {
    return InvalidArgument("a grid of " + std::to_string(grid) + " cannot grow to images of side " + std::to_string(side) +
                           ": the side must be 2^n times " + std::to_string(grid) + " or " + std::to_string(2 * grid - 1));
  }
  std::reverse(kernels.begin(), kernels.end());
  return kernels;
}

DvaeModel::DvaeModel(const DvaeConfig& config, int64_t side, const std::vector<int64_t>& kernels, uint64_t seed)
    : config_(config),
      world_("dvae", config.grid * config.grid, config.num_codes),
      codes_(DecoderScope(&parameters_, seed).In("codes"), config.num_codes, {config.embedding}),
      in_(DecoderScope(&parameters_, seed).In("in"), {config.embedding}, {config.channels}, {.kernel = 1}),
      out_(DecoderScope(&parameters_, seed).In("out"), {config.channels}, {1}, {.kernel = 1}) {
  const NetScope scope = DecoderScope(&parameters_, seed);
  for (int64_t k = 0; k < config.residual_blocks; ++k) {
    blocks_.emplace_back(scope.In("block" + std::to_string(k)), Width{config.channels}, Width{config.channels});
  }
  for (size_t k = 0; k < kernels.size(); ++k) {
    up_.emplace_back(scope.In("up" + std::to_string(k)), Width{config.channels}, Width{config.channels},
                     ConvolutionConfig{.kernel = kernels[k], .stride = 2, .padding = 1});
  }
  dream_D_ = at::empty({0, side, side}, at::kByte);
}

StatusOr<std::unique_ptr<DvaeModel>> DvaeModel::Create(const DvaeConfig& config, const at::Tensor& images_CSS, uint64_t seed) {
  GFN_CHECK(images_CSS.dim() == 3 && images_CSS.size(1) == images_CSS.size(2) && images_CSS.scalar_type() == at::kByte);
  if (images_CSS.size(0) == 0) return InvalidArgument("a discrete VAE needs at least one image");
  const int64_t side = images_CSS.size(1);
  ASSIGN_OR_RETURN(const std::vector<int64_t> kernels, UpsamplingKernels(config.grid, side));
  std::unique_ptr<DvaeModel> model(new DvaeModel(config, side, kernels, seed));
  const at::Tensor images = images_CSS.contiguous();
  std::vector<int64_t> distinct;
  for (int64_t row = 0; row < images.size(0); ++row) {
    const int64_t before = model->conditions_.size();
    ASSIGN_OR_RETURN(const ConditionId id,
                     model->conditions_.Insert(ImageContent(images.const_data_ptr<uint8_t>() + row * side * side, side * side)));
    model->ids_of_images_.push_back(id);
    if (model->conditions_.size() > before) distinct.push_back(row);
  }
  model->images_C_ = images.index_select(0, at::tensor(distinct, at::kLong));
  model->rows_.SetData(model->conditions_.ids());
  return model;
}

at::Tensor DvaeModel::ImagesOf(const at::Tensor& ids_B) const {
  const at::Tensor rows_B = rows_.Of(ids_B);
  const int64_t num_data = images_C_.size(0), num_dream = dream_D_.size(0);
  // The data may be large: nothing of it is copied but the rows asked for. A dream may be an image of the data.
  at::Tensor images_BSS = images_C_.index_select(0, rows_B.clamp_max(num_data - 1));
  if (num_dream > 0) {
    const at::Tensor dream_BSS = dream_D_.index_select(0, (rows_B - num_data).clamp(0, num_dream - 1));
    images_BSS = at::where(rows_B.ge(num_data).view({-1, 1, 1}), dream_BSS, images_BSS);
  }
  return images_BSS.to(at::kFloat).unsqueeze(1);
}

at::Tensor DvaeModel::Decode(const at::Tensor& codes_BN) const {
  const int64_t rows = codes_BN.size(0);
  at::Tensor x = codes_.Apply(codes_BN).view({rows, config_.grid, config_.grid, config_.embedding}).permute({0, 3, 1, 2});
  x = in_.Apply(x.contiguous());
  for (const ResidualConvBlock& block : blocks_) x = block.Apply(x);
  for (const ConvTranspose2d& up : up_) x = at::relu(up.Apply(at::relu(x)));
  return out_.Apply(x).squeeze(1);
}

StatusOr<at::Tensor> DvaeModel::LogJoint(const TrajectoryBatch& batch) const {
  const at::Tensor x_BSS = ImagesOf(ConditionColumn(batch.condition_ids)).squeeze(1), logits_BSS = Decode(batch.actions_BT);
  // log Bernoulli(x | logit) = x logit - log(1 + e^logit)
  const at::Tensor log_pixels_B = (x_BSS * logits_BSS - at::softplus(logits_BSS)).flatten(1).to(at::kDouble).sum(1);
  const double log_prior = -static_cast<double>(config_.grid * config_.grid) * std::log(static_cast<double>(config_.num_codes));
  return log_pixels_B + log_prior;
}

StatusOr<TrajectoryBatch> DvaeModel::SampleJoint(int64_t num, const RngKey& key) {
  const at::NoGradGuard no_grad;
  const int64_t num_sites = config_.grid * config_.grid;
  const at::Tensor u_BN = UniformTensor(key, {num, num_sites}, at::kDouble, 1);
  const at::Tensor codes_BN = (u_BN * static_cast<double>(config_.num_codes)).to(at::kLong).clamp_max(config_.num_codes - 1);
  const at::Tensor p_BSS = Decode(codes_BN).sigmoid().to(at::kDouble);
  dream_D_ = UniformTensor({MixBits(key.seed + 1), key.purpose, key.step}, p_BSS.sizes(), at::kDouble, 2)
                 .lt(p_BSS)
                 .to(at::kByte)
                 .contiguous();
  std::vector<ConditionId> ids;
  const int64_t pixels = side() * side();
  for (int64_t row = 0; row < num; ++row) {
    ids.push_back(HashCondition(ImageContent(dream_D_.const_data_ptr<uint8_t>() + row * pixels, pixels)));
  }
  rows_.SetDream(ids);
  return world_.TrajectoriesTo(ids, codes_BN);
}

std::string DvaeModel::Digest() const {
  return "dvae grid=" + std::to_string(config_.grid) + " codes=" + std::to_string(config_.num_codes) +
         " side=" + std::to_string(side());
}

}  // namespace gfn
