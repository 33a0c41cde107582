#include "llm/scratch/write_hf.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "gflownet/base/check.h"
#include "llm/format/hf_writer.h"
#include "llm/format/model_config.h"

namespace gfn::scratch {
namespace {

constexpr char kEmbedding[] = "model.embed_tokens.weight";
constexpr char kHead[] = "lm_head.weight";

const Parameter& Find(const ParameterSet& parameters, const std::string& name) {
  const auto found = std::find_if(parameters.begin(), parameters.end(), [&](const Parameter& p) { return p.name == name; });
  GFN_CHECK(found != parameters.end() && found->tag.has_value()) << "no tagged parameter " << name;
  return *found;
}

}  // namespace

Status WriteHfDecoder(const std::string& folder, const ParameterSet& parameters, const std::string& name,
                      const DecoderConfig& config, const HfOptions& options) {
  const auto full_name = [&](const std::string& part) { return name.empty() ? part : name + "." + part; };
  const ParameterFactors& embedding = Find(parameters, full_name(kEmbedding)).tag->factors;
  ModelConfig llama;
  llama.vocab_size = config.vocabulary;
  llama.hidden_size = config.width.size;
  llama.intermediate_size = config.feed_forward.size;
  llama.num_layers = config.depth.size;
  llama.num_heads = llama.num_kv_heads = config.heads().size;
  llama.head_dim = llama.rotary_dim = config.head_size;
  llama.max_positions = options.max_positions;
  llama.norm_eps = config.norm_epsilon;
  llama.rope_theta = config.rope_theta;
  llama.tie_embeddings = config.tied && embedding.multiplier == embedding.readout_multiplier;
  llama.bos_id = options.bos_id;
  llama.eos_ids = options.eos_ids;
  RETURN_IF_ERROR(Validate(llama, folder));
  return WriteHfModel(folder, llama, options.dtype, [&](const std::string& tensor) -> StatusOr<at::Tensor> {
    const at::NoGradGuard no_grad;
    const bool reads_out_embedding = tensor == kHead && config.tied;
    const Parameter& parameter = Find(parameters, full_name(reads_out_embedding ? kEmbedding : tensor));
    const ParameterFactors& factors = parameter.tag->factors;
    // A llama adds its branches unscaled, so their last matrix takes the scale.
    const bool ends_branch = tensor.ends_with("o_proj.weight") || tensor.ends_with("down_proj.weight");
    const double branch = ends_branch ? ResidualMultiplier(parameters.parametrisation(), parameter.tag->shape.depth) : 1;
    return parameter.value * ((reads_out_embedding ? factors.readout_multiplier : factors.multiplier) * branch);
  });
}

}  // namespace gfn::scratch
