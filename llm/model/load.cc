// From the names of the three architectures to the four products of a layer.
#include "gflownet/base/check.h"
#include "llm/model/language_model.h"
#include "llm/model/peft_modules.h"

namespace gfn {
namespace {

// The modules of each product under their Hugging Face names, in the order of its outputs.
struct LayerNames {
  std::string prefix;  // of a layer: prefix + number + "."
  std::array<std::vector<std::string>, kNumSlots> modules;
  std::string attention_norm, mlp_norm;  // mlp_norm empty: parallel
  std::string embedding, final_norm;
};

const LayerNames& NamesOf(Architecture architecture) {
  static const LayerNames kLlama = {"model.layers.",
                                    {{{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
                                      {"self_attn.o_proj"},
                                      {"mlp.gate_proj", "mlp.up_proj"},
                                      {"mlp.down_proj"}}},
                                    "input_layernorm",
                                    "post_attention_layernorm",
                                    "model.embed_tokens.weight",
                                    "model.norm"};
  static const LayerNames kGpt2 = {"transformer.h.",
                                   {{{"attn.c_attn"}, {"attn.c_proj"}, {"mlp.c_fc"}, {"mlp.c_proj"}}},
                                   "ln_1",
                                   "ln_2",
                                   "transformer.wte.weight",
                                   "transformer.ln_f"};
  static const LayerNames kGptJ = {
      "transformer.h.",
      {{{"attn.q_proj", "attn.k_proj", "attn.v_proj"}, {"attn.out_proj"}, {"mlp.fc_in"}, {"mlp.fc_out"}}},
      "ln_1",
      "",
      "transformer.wte.weight",
      "transformer.ln_f"};
  switch (architecture) {
    case Architecture::kLlama:
      return kLlama;
    case Architecture::kGpt2:
      return kGpt2;
    case Architecture::kGptJ:
      return kGptJ;
  }
  GFN_CHECK(false) << "unknown architecture";
  return kLlama;
}

// Rows of each module of a product.
std::vector<int64_t> PartSizes(const ModelConfig& config, Slot slot) {
  const int64_t q = config.num_heads * config.head_dim, kv = config.num_kv_heads * config.head_dim;
  switch (slot) {
    case Slot::kQkv:
      return config.architecture == Architecture::kGpt2 ? std::vector<int64_t>{q + 2 * kv} : std::vector<int64_t>{q, kv, kv};
    case Slot::kAttentionOut:
    case Slot::kDown:
      return {config.hidden_size};
    case Slot::kUp:
      return config.architecture == Architecture::kLlama
                 ? std::vector<int64_t>{config.intermediate_size, config.intermediate_size}
                 : std::vector<int64_t>{config.intermediate_size};
  }
  return {};
}

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
  const LayerNames& names = NamesOf(config_.architecture);
  const std::vector<int64_t> sizes = PartSizes(config_, slot);
  const auto& modules = names.modules[static_cast<int>(slot)];
  GFN_CHECK_EQ(sizes.size(), modules.size());
  std::vector<ModulePart> parts;
  int64_t begin = 0;
  for (size_t m = 0; m < modules.size(); ++m) {
    parts.push_back({names.prefix + std::to_string(layer) + "." + modules[m], begin, sizes[m]});
    begin += sizes[m];
  }
  return parts;
}

Status LanguageModel::LoadWeights(const WeightSource& source) {
  const LayerNames& names = NamesOf(config_.architecture);
  const at::ScalarType type = activation_type();
  const at::Device device = options_.device;
  const auto read = [&](const std::string& name) { return source.Read(name, type); };
  const auto read_norm = [&](const std::string& name, NormWeights& norm) -> Status {
    norm.epsilon = config_.norm_eps;
    ASSIGN_OR_RETURN(const at::Tensor weight, read(name + ".weight"));
    norm.weight_C = weight.to(device);
    if (source.Has(name + ".bias")) {
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
  const std::string head_name = config_.tie_embeddings ? names.embedding : "lm_head.weight";
  ASSIGN_OR_RETURN(embedding_, read_matrix(names.embedding));
  tied_head_ = config_.tie_embeddings && !config_.lm_head_bias;
  if (!tied_head_ && !config_.lm_head_bias) {
    ASSIGN_OR_RETURN(head_, read_matrix(head_name));
  } else if (!tied_head_) {
    ASSIGN_OR_RETURN(at::Tensor head, read(head_name));
    // The bias as one more input column: every kernel of the head then works as it is.
    ASSIGN_OR_RETURN(const at::Tensor bias, read("lm_head.bias"));
    head = at::cat({head, bias.unsqueeze(1)}, 1);
    head_ = FrozenMatrix(head, at::Tensor(), options_.dtype, device);
  }
  if (source.Has("transformer.wpe.weight")) {
    ASSIGN_OR_RETURN(const at::Tensor positions, read("transformer.wpe.weight"));
    position_embedding_ = positions.to(device);
  }
  RETURN_IF_ERROR(read_norm(names.final_norm, final_norm_));
  for (int64_t l = 0; l < config_.num_layers; ++l) {
    Layer& layer = layers_.emplace_back();
    const std::string prefix = names.prefix + std::to_string(l) + ".";
    RETURN_IF_ERROR(read_norm(prefix + names.attention_norm, layer.attention_norm));
    if (!names.mlp_norm.empty()) RETURN_IF_ERROR(read_norm(prefix + names.mlp_norm, layer.mlp_norm));
    for (int s = 0; s < kNumSlots; ++s) {
      ASSIGN_OR_RETURN(layer.matrices[s], read_product(Parts(l, static_cast<Slot>(s))));
    }
  }
  if (config_.rotary_dim > 0) {
    rotary_ = MakeRotary(config_.max_positions, RopeFrequencies(config_.rope_theta, config_.rotary_dim, config_.rope_scaling),
                         config_.rope_scaling.attention_factor,
                         config_.rope_interleaved ? RotaryStyle::kInterleaved : RotaryStyle::kRotateHalf, type, device);
  }
  return OkStatus();
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
