#include "llm/format/family.h"

#include <algorithm>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

// GGUF's names are those of gguf-py's tensor_mapping.py.
const Naming& LlamaNaming() {
  static const Naming naming = {
      .name = "llama",
      .root = "model.",
      .layers = "model.layers.",
      .embedding = {"model.embed_tokens", "token_embd"},
      .positions = {},
      .final_norm = {"model.norm", "output_norm"},
      .products = {{{{{"self_attn.q_proj", "attn_q"}, {Piece::kQuery}},
                     {{"self_attn.k_proj", "attn_k"}, {Piece::kKey}},
                     {{"self_attn.v_proj", "attn_v"}, {Piece::kValue}}},
                    {{{"self_attn.o_proj", "attn_output"}, {Piece::kHidden}}},
                    {{{"mlp.gate_proj", "ffn_gate"}, {Piece::kGate}}, {{"mlp.up_proj", "ffn_up"}, {Piece::kUp}}},
                    {{{"mlp.down_proj", "ffn_down"}, {Piece::kHidden}}}}},
      .conv1d = false,
      .buffers = {".rotary_emb.inv_freq"}};
  return naming;
}

const Naming& Phi3Naming() {
  static const Naming naming = [] {
    Naming fused = LlamaNaming();
    fused.products[static_cast<size_t>(Slot::kQkv)] = {
        {{"self_attn.qkv_proj", "attn_qkv"}, {Piece::kQuery, Piece::kKey, Piece::kValue}}};
    fused.products[static_cast<size_t>(Slot::kUp)] = {{{"mlp.gate_up_proj", "ffn_up"}, {Piece::kGate, Piece::kUp}}};
    return fused;
  }();
  return naming;
}

const Naming& Gpt2Naming() {
  static const Naming naming = {.name = "gpt2",
                                .root = "transformer.",
                                .layers = "transformer.h.",
                                .embedding = {"transformer.wte", "token_embd"},
                                .positions = {"transformer.wpe", "position_embd"},
                                .final_norm = {"transformer.ln_f", "output_norm"},
                                .products = {{{{{"attn.c_attn", "attn_qkv"}, {Piece::kQuery, Piece::kKey, Piece::kValue}}},
                                              {{{"attn.c_proj", "attn_output"}, {Piece::kHidden}}},
                                              {{{"mlp.c_fc", "ffn_up"}, {Piece::kUp}}},
                                              {{{"mlp.c_proj", "ffn_down"}, {Piece::kHidden}}}}},
                                .conv1d = true,
                                .buffers = {".attn.bias", ".attn.masked_bias", ".attn.embed_positions"}};
  return naming;
}

const Naming& GptJNaming() {
  static const Naming naming = {.name = "gptj",
                                .root = "transformer.",
                                .layers = "transformer.h.",
                                .embedding = {"transformer.wte", ""},
                                .positions = {},
                                .final_norm = {"transformer.ln_f", ""},
                                .products = {{{{{"attn.q_proj", ""}, {Piece::kQuery}},
                                               {{"attn.k_proj", ""}, {Piece::kKey}},
                                               {{"attn.v_proj", ""}, {Piece::kValue}}},
                                              {{{"attn.out_proj", ""}, {Piece::kHidden}}},
                                              {{{"mlp.fc_in", ""}, {Piece::kUp}}},
                                              {{{"mlp.fc_out", ""}, {Piece::kHidden}}}}},
                                .conv1d = false,
                                .buffers = {".attn.bias", ".attn.masked_bias", ".attn.embed_positions"}};
  return naming;
}

constexpr NameInFiles kInputNorm = {"input_layernorm", "attn_norm"}, kPreMlpNorm = {"post_attention_layernorm", "ffn_norm"};

std::vector<Family> MakeFamilies() {
  const Family llama = {.model_type = "llama",
                        .hf_class = "LlamaForCausalLM",
                        .gguf = "llama",
                        .naming = &LlamaNaming(),
                        .attention_norm = kInputNorm,
                        .mlp_norm = kPreMlpNorm,
                        .gguf_interleaves = true,
                        .bias = {.attention_key = true, .mlp_key = true}};

  Family mistral = llama;
  mistral.model_type = "mistral";
  mistral.hf_class = "MistralForCausalLM";
  mistral.default_window = 4096;
  mistral.bias = {};
  mistral.window = WindowRule::kAll;

  Family qwen2 = mistral;
  qwen2.model_type = qwen2.gguf = "qwen2";
  qwen2.hf_class = "Qwen2ForCausalLM";
  qwen2.gguf_interleaves = false;
  qwen2.bias = {.qkv = true};
  qwen2.window = WindowRule::kUse;

  Family qwen3 = qwen2;
  qwen3.model_type = qwen3.gguf = "qwen3";
  qwen3.hf_class = "Qwen3ForCausalLM";
  qwen3.qk_norm = QkNorm::kHead;
  qwen3.default_head_dim = 128;
  qwen3.bias = {.attention_key = true};

  Family smollm3 = llama;
  smollm3.model_type = smollm3.gguf = "smollm3";
  smollm3.hf_class = "SmolLM3ForCausalLM";
  smollm3.layer_ropes = LayerRopes::kSomeNone;
  smollm3.default_rope_theta = 2000000.0;
  smollm3.ties_by_default = true;
  smollm3.window = WindowRule::kUseNope;
  smollm3.own_keys = {"no_rope_layers", "no_rope_layer_interval"};

  Family olmo2 = llama;
  olmo2.model_type = olmo2.gguf = "olmo2";
  olmo2.hf_class = "Olmo2ForCausalLM";
  olmo2.attention_norm = olmo2.mlp_norm = {};
  olmo2.attention_post_norm = {"post_attention_layernorm", "post_attention_norm"};
  olmo2.mlp_post_norm = {"post_feedforward_layernorm", "post_ffw_norm"};
  olmo2.qk_norm = QkNorm::kWidth;
  olmo2.gguf_interleaves = false;
  olmo2.bias = {.attention_key = true};

  Family gemma3 = llama;
  gemma3.model_type = "gemma3_text";
  gemma3.gguf = "gemma3";
  gemma3.hf_class = "Gemma3ForCausalLM";
  gemma3.norm_offset = 1;
  gemma3.attention_post_norm = olmo2.attention_post_norm;
  gemma3.mlp_norm = {"pre_feedforward_layernorm", "ffn_norm"};
  gemma3.mlp_post_norm = olmo2.mlp_post_norm;
  gemma3.qk_norm = QkNorm::kHead;
  gemma3.activation = Activation::kGeluTanh;
  gemma3.scaled_embedding = true;
  gemma3.layer_ropes = LayerRopes::kLocal;
  gemma3.default_rope_theta = 1000000.0;
  gemma3.gguf_interleaves = false;
  gemma3.default_head_dim = 256;
  gemma3.default_query_scalar = 256;
  gemma3.default_window = 4096;
  gemma3.ties_by_default = true;
  gemma3.activation_key = "hidden_activation";
  gemma3.bias = {.attention_key = true};
  gemma3.window = WindowRule::kTypes;
  gemma3.own_keys = {"query_pre_attn_scalar"};

  Family phi3 = llama;
  phi3.model_type = phi3.gguf = "phi3";
  phi3.hf_class = "Phi3ForCausalLM";
  phi3.naming = &Phi3Naming();
  phi3.partial_rotary = true;
  phi3.gguf_interleaves = false;
  phi3.default_original_positions = 4096;
  phi3.bias = {};
  phi3.window = WindowRule::kAll;
  phi3.own_keys = {"partial_rotary_factor"};

  const Family gpt2 = {.model_type = "gpt2",
                       .hf_class = "GPT2LMHeadModel",
                       .gguf = "gpt2",
                       .naming = &Gpt2Naming(),
                       .norm = NormKind::kLayer,
                       .attention_norm = {"ln_1", "attn_norm"},
                       .mlp_norm = {"ln_2", "ffn_norm"},
                       .activation = Activation::kGeluTanh,
                       .gated = false,
                       .rotates = false,
                       .ties_by_default = true,
                       .activation_key = "activation_function",
                       .bias = {.qkv = true, .attention_out = true, .mlp = true}};
  const Family gptj = {.model_type = "gptj",
                       .hf_class = "GPTJForCausalLM",
                       .gguf = "",
                       .naming = &GptJNaming(),
                       .norm = NormKind::kLayer,
                       .attention_norm = {"ln_1", ""},
                       .parallel = true,
                       .activation = Activation::kGeluTanh,
                       .gated = false,
                       .lm_head_bias = true,
                       .rope_interleaved = true,
                       .partial_rotary = true,
                       .activation_key = "activation_function",
                       .bias = {.mlp = true}};
  return {llama, mistral, qwen2, gpt2, gptj, qwen3, smollm3, olmo2, gemma3, phi3};
}

}  // namespace

std::span<const Family> Families() {
  static const std::vector<Family> families = MakeFamilies();
  return families;
}

const Family* FindFamily(std::string_view model_type) {
  const auto found = std::ranges::find(Families(), model_type, &Family::model_type);
  return found == Families().end() ? nullptr : &*found;
}

const Family& FamilyOf(std::string_view model_type) {
  const Family* family = FindFamily(model_type);
  GFN_CHECK(family != nullptr) << model_type;
  return *family;
}

const Family* FindGgufFamily(std::string_view architecture) {
  const auto found = std::ranges::find(Families(), architecture, &Family::gguf);
  return architecture.empty() || found == Families().end() ? nullptr : &*found;
}

}  // namespace gfn
