// From the tensors of a file to the products and norms of the layers.
#include "gflownet/base/check.h"
#include "llm/model/language_model.h"
#include "llm/model/peft_modules.h"

namespace gfn {
namespace {

WeightType PackedType(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return WeightType::kQ4_0;
    case GgmlType::kQ4_1:
      return WeightType::kQ4_1;
    case GgmlType::kQ8_0:
      return WeightType::kQ8_0;
    default:
      break;
  }
  GFN_CHECK(false) << EnumName(type) << " is not kept in blocks";
  return WeightType::kFloat32;
}

}  // namespace

std::vector<ModulePart> LanguageModel::Parts(int64_t layer, Slot slot) const {
  std::vector<ModulePart> parts;
  int64_t begin = 0;
  for (const LinearModule& module : ProductOf(config_, slot).modules) {
    parts.push_back({NameInLayer(config_, layer, module.name), begin, module.outputs});
    begin += module.outputs;
  }
  return parts;
}

Status LanguageModel::LoadWeights(const WeightSource& source) {
  const Family& family = config_.family();
  const Naming& naming = *family.naming;
  const at::ScalarType type = activation_type();
  const at::Device device = options_.device;
  const auto read = [&](const std::string& name) { return source.Read(name, type); };
  const auto read_norm = [&](const std::string& name, NormWeights& norm) -> Status {
    norm.epsilon = config_.norm_eps;
    ASSIGN_OR_RETURN(const at::Tensor weight, read(name + ".weight"));
    norm.weight_C = (family.norm_offset == 0 ? weight : weight + family.norm_offset).to(device);
    if (family.norm == NormKind::kLayer) {
      ASSIGN_OR_RETURN(const at::Tensor bias, read(name + ".bias"));
      norm.bias_C = bias.to(device);
    }
    return OkStatus();
  };
  // The blocks of all modules of a product as rows below each other, where every module is stored so and they are multiplied
  // here.
  const auto read_blocks = [&](const std::vector<std::string>& weights) -> StatusOr<std::optional<BlockRows>> {
    std::optional<BlockRows> all;
    if (!device.is_cpu() || options_.dtype == ModelDtype::kFloat64) return all;
    for (const std::string& name : weights) {
      ASSIGN_OR_RETURN(const std::optional<BlockRows> one, source.ReadBlocks(name));
      if (!one || (all && (all->type != one->type || all->columns != one->columns))) return std::optional<BlockRows>();
      if (!all) {
        all = one;
      } else {
        all->rows.insert(all->rows.end(), one->rows.begin(), one->rows.end());
      }
    }
    return all;
  };
  const auto from_blocks = [&](const BlockRows& blocks, const at::Tensor& bias) {
    return FrozenMatrix(PackedType(blocks.type), blocks.rows, blocks.columns, bias, options_.dtype);
  };
  // One product of all its modules, as rows below each other.
  const auto read_product = [&](const std::vector<ModulePart>& parts) -> StatusOr<FrozenMatrix> {
    std::vector<std::string> names_of_weights;
    for (const ModulePart& part : parts) names_of_weights.push_back(part.path + ".weight");
    ASSIGN_OR_RETURN(const std::optional<BlockRows> blocks, read_blocks(names_of_weights));
    std::vector<at::Tensor> weights, biases;
    for (const ModulePart& part : parts) {
      if (!blocks) {
        ASSIGN_OR_RETURN(at::Tensor weight, read(part.path + ".weight"));
        weights.push_back(IsConv1D(config_, part.path + ".weight") ? weight.t() : weight);
      }
      if (source.Has(part.path + ".bias")) {
        ASSIGN_OR_RETURN(at::Tensor bias, read(part.path + ".bias"));
        biases.push_back(bias);
      }
    }
    GFN_CHECK(biases.empty() || biases.size() == parts.size())
        << parts[0].path << ": some modules of a product have a bias, some not";
    const at::Tensor bias = biases.empty() ? at::Tensor() : at::cat(biases, 0);
    if (blocks) return from_blocks(*blocks, bias);
    return FrozenMatrix(at::cat(weights, 0), bias, options_.dtype, device);
  };

  const auto read_matrix = [&](const std::string& name) -> StatusOr<FrozenMatrix> {
    ASSIGN_OR_RETURN(const std::optional<BlockRows> blocks, read_blocks({name}));
    if (blocks) return from_blocks(*blocks, at::Tensor());
    ASSIGN_OR_RETURN(const at::Tensor weight, read(name));
    return FrozenMatrix(weight, at::Tensor(), options_.dtype, device);
  };
  const std::string embedding_name = std::string(naming.embedding.hf) + ".weight";
  const std::string head_name = config_.tie_embeddings ? embedding_name : "lm_head.weight";
  ASSIGN_OR_RETURN(embedding_, read_matrix(embedding_name));
  tied_head_ = config_.tie_embeddings && !family.lm_head_bias;
  if (!tied_head_ && !family.lm_head_bias) {
    ASSIGN_OR_RETURN(head_, read_matrix(head_name));
  } else if (!tied_head_) {
    ASSIGN_OR_RETURN(at::Tensor head, read(head_name));
    // The bias as one more input column: every kernel of the head then works as it is.
    ASSIGN_OR_RETURN(const at::Tensor bias, read("lm_head.bias"));
    head = at::cat({head, bias.unsqueeze(1)}, 1);
    head_ = FrozenMatrix(head, at::Tensor(), options_.dtype, device);
  }
  if (!naming.positions.empty()) {
    ASSIGN_OR_RETURN(const at::Tensor positions, read(std::string(naming.positions.hf) + ".weight"));
    position_embedding_ = positions.to(device);
  }
  RETURN_IF_ERROR(read_norm(std::string(naming.final_norm.hf), final_norm_));
  for (int64_t l = 0; l < config_.num_layers; ++l) {
    Layer& layer = layers_.emplace_back();
    for (int p = 0; p < kNumNormPlaces; ++p) {
      const LayerNorm norm = NormOf(config_, static_cast<NormPlace>(p));
      if (!norm.name.empty()) RETURN_IF_ERROR(read_norm(NameInLayer(config_, l, norm.name.hf), layer.norms[p]));
    }
    for (int s = 0; s < kNumSlots; ++s) {
      ASSIGN_OR_RETURN(layer.matrices[s], read_product(Parts(l, static_cast<Slot>(s))));
    }
  }
  MakeRotaries();
  return OkStatus();
}

void LanguageModel::MakeRotaries() {
  if (config_.rotary_dim == 0) return;
  const RotaryStyle style = config_.family().rope_interleaved ? RotaryStyle::kInterleaved : RotaryStyle::kRotateHalf;
  const auto make = [&](double theta, const RopeScaling& scaling) {
    return MakeRotary(MaxContext(config_), RopeFrequencies(theta, config_.rotary_dim, scaling), scaling.attention_factor, style,
                      activation_type(), options_.device);
  };
  rotary_ = make(config_.rope_theta, config_.rope_scaling);
  if (config_.family().layer_ropes == LayerRopes::kLocal) local_rotary_ = make(config_.local_rope_theta, RopeScaling{});
}

Status LanguageModel::SetOwnAdapter(const PeftAdapter& adapter) {
  ASSIGN_OR_RETURN(const PlacedModules placed, PlaceModules(*this, adapter));
  for (size_t l = 0; l < placed.size(); ++l) {
    for (size_t s = 0; s < placed[l].size(); ++s) {
      if (!placed[l][s].empty()) layers_[l].matrices[s].SetOwnAdapter(GroupOf(placed[l][s]));
    }
  }
  return OkStatus();
}

StatusOr<std::unique_ptr<LanguageModel>> LanguageModel::Load(const WeightSource& source, Options options) {
  std::unique_ptr<LanguageModel> model(new LanguageModel(source.config(), options));
  at::NoGradGuard no_grad;
  try {
    RETURN_IF_ERROR(model->LoadWeights(source));
    if (source.adapter() != nullptr) {
      const Status placed = model->SetOwnAdapter(*source.adapter());
      if (!placed.ok()) return Annotate(placed, source.adapter_path());
    }
  } catch (const std::exception& e) {  // LibTorch's errors and bad_alloc
    return ResourceExhausted(std::string("while loading the model: ") + e.what());
  }
  return model;
}

}  // namespace gfn
