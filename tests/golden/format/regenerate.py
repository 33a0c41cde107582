"""Writes the GGUF files beside this script, the numbers of SmolLM2 and an answer of `gguf` to every block type.

Run with the packages torch, transformers, gguf and numpy (gguf 0.19 when the stored files were made):
    python3 tests/golden/format/regenerate.py [SMOLLM2_HF_FOLDER]
    python3 tests/golden/format/regenerate.py models [NAME...]
- blocks.gguf: random blocks of each tensor type, as tensor "<type>", with the numbers that the Python package `gguf` makes
  of them as fp32 tensor "<type>.f32"; and one metadata key of each value type.
- tiny_*.gguf: the models of tests/golden/models under the names that the package's tensor map gives, with what llama.cpp's
  convert_hf_to_gguf.py does to them: rows of q and k of llama and smollm3 (weights and biases) permuted, Conv1D of gpt2 transposed, norms of gemma3 plus 1, vectors as
  fp32, llama3's rope as the tensor rope_freqs.weight, yarn's as keys. tiny_stories.gguf is a model of its own, with a tokenizer.
- smollm2_tensors.json: for each tensor of SmolLM2-135M-Instruct (its GGUF as transformers loads it, in fp32) the shape and the
  sum of bits * (1 + index) modulo 2^64 over the bit patterns of its numbers. Only with the folder given.
"""
import json
import math
import pathlib
import sys

import gguf
import numpy as np
import torch
from safetensors import safe_open

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
TYPES = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
# Where a block's fp16 numbers lie: random bits there would be NaN, infinite or absurd.
SCALE_OFFSETS = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
                 "Q6_K": [208]}


def random_blocks(name, rows, rng):
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    per_row = 256 // elements if elements > 1 else 32
    if name == "F16":
        values = rng.normal(size=(rows, per_row)).astype(np.float16)
        values[0, :4] = [0.0, -0.0, 6e-8, 65504]  # zeros, the smallest subnormal, the largest number
        return values.view(np.uint8)
    if name == "BF16":
        return (rng.normal(size=(rows, per_row)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    blocks = rng.integers(0, 256, size=(rows * per_row, size), dtype=np.uint8)
    for offset in SCALE_OFFSETS[name]:
        scales = rng.normal(size=rows * per_row).astype(np.float16)
        blocks[:, offset:offset + 2] = scales[:, None].view(np.uint8)
    return blocks.reshape(rows, per_row * size)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def blocks_file():
    rng = np.random.default_rng(7)
    writer = gguf.GGUFWriter(HERE / "blocks.gguf", "test")
    for kind, value in dict(uint8=200, int8=-100, uint16=60000, int16=-30000, uint32=4000000000, int32=-2000000000,
                            uint64=9000000000000000000, int64=-9000000000000000000, float32=0.1, float64=0.1, bool=True,
                            string="gr\u00fc\u00df dich").items():
        getattr(writer, "add_" + kind)("test." + kind, value)
    writer.add_array("test.ints", [1, -2, 3])
    writer.add_array("test.floats", [0.5, -0.25])
    writer.add_array("test.bools", [True, False])
    writer.add_array("test.strings", ["a", "", "bc"])
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        raw = random_blocks(name, 2, rng)
        writer.add_tensor(name, raw, raw_dtype=kind)
        writer.add_tensor(name + ".f32", gguf.quants.dequantize(raw, kind).astype(np.float32))
    write(writer)


def permute(weight, heads):
    """convert_hf_to_gguf.py, LlamaModel.permute"""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def add_rope_scaling(writer, config, rope):
    """convert_hf_to_gguf.py, set_gguf_parameters and LlamaModel.generate_extra_tensors"""
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
        writer.add_rope_scaling_yarn_attn_factor(rope["attention_factor"])
    if rope["rope_type"] == "llama3":
        dim = config["hidden_size"] // config["num_attention_heads"]
        freqs = 1.0 / (rope["rope_theta"] ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))
        factor, low, high = rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"]
        context = rope["original_max_position_embeddings"]
        factors = []
        for freq in freqs:
            wavelen = 2 * math.pi / freq
            if wavelen < context / high:
                factors.append(1)
            elif wavelen > context / low:
                factors.append(factor)
            else:
                smooth = (context / wavelen - low) / (high - low)
                factors.append(1 / ((1 - smooth) / factor + smooth))
        writer.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))


def add_longrope(writer, config, rope):
    """convert_hf_to_gguf.py, Phi3MiniModel"""
    context, original = config["max_position_embeddings"], rope["original_max_position_embeddings"]
    dim = config["hidden_size"] // config["num_attention_heads"]
    writer.add_rope_dimension_count(int(dim * rope["partial_rotary_factor"]))
    writer.add_rope_scaling_orig_ctx_len(original)
    writer.add_sliding_window(config["sliding_window"] or 0)
    writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(context / original) / math.log(original)))
    for kind in ("long", "short"):
        writer.add_tensor(f"rope_factors_{kind}.weight", np.array(rope[f"{kind}_factor"], dtype=np.float32))


def model_file(name, arch):
    folder = MODELS / name
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(HERE / (name + ".gguf"), gguf.MODEL_ARCH_NAMES[arch])
    is_gpt2 = arch == gguf.MODEL_ARCH.GPT2
    heads = config["n_head" if is_gpt2 else "num_attention_heads"]
    layers = config["n_layer" if is_gpt2 else "num_hidden_layers"]
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_bos_token_id(config["bos_token_id"])
    eos = config["eos_token_id"]
    writer.add_eos_token_id(eos[0] if isinstance(eos, list) else eos)
    if isinstance(eos, list):
        writer.add_eot_token_id(eos[1])
    if config.get("pad_token_id") is not None:
        writer.add_pad_token_id(config["pad_token_id"])
    if is_gpt2:
        writer.add_context_length(config["n_positions"])
        writer.add_embedding_length(config["n_embd"])
        writer.add_feed_forward_length(config["n_inner"])
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    else:
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count_kv(config["num_key_value_heads"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        ropes = config["rope_parameters"]
        rope = ropes.get("full_attention", ropes)
        writer.add_rope_freq_base(rope["rope_theta"])
        if arch == gguf.MODEL_ARCH.GEMMA3:
            writer.add_sliding_window(config["sliding_window"])
        if arch == gguf.MODEL_ARCH.PHI3:
            add_longrope(writer, config, rope)
        if "head_dim" in config:
            writer.add_key_length(config["head_dim"])
            writer.add_value_length(config["head_dim"])
            writer.add_rope_dimension_count(config["head_dim"])
        add_rope_scaling(writer, config, rope)
    names = gguf.get_tensor_name_map(arch, layers)
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for key in file.keys():
                tensor = file.get_tensor(key)
                permuted = arch in (gguf.MODEL_ARCH.LLAMA, gguf.MODEL_ARCH.SMOLLM3)
                if permuted and key.endswith(("q_proj.weight", "q_proj.bias")):
                    tensor = permute(tensor, heads)
                if permuted and key.endswith(("k_proj.weight", "k_proj.bias")):
                    tensor = permute(tensor, config["num_key_value_heads"])
                if is_gpt2 and key.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
                    tensor = tensor.transpose(1, 0)
                if arch == gguf.MODEL_ARCH.GEMMA3 and key.endswith("norm.weight"):
                    tensor = tensor.float() + 1
                new_name = names.get_name(key, try_suffixes=(".weight", ".bias"))
                if tensor.dim() == 1:
                    writer.add_tensor(new_name, tensor.float().numpy())
                elif tensor.dtype == torch.bfloat16:
                    raw = tensor.contiguous().view(torch.uint8).numpy()
                    writer.add_tensor(new_name, raw, raw_dtype=gguf.GGMLQuantizationType.BF16)
                else:
                    writer.add_tensor(new_name, np.ascontiguousarray(tensor.numpy()))
    write(writer)


def smollm2_numbers(folder):
    result = {}
    with safe_open(pathlib.Path(folder) / "model.safetensors", "np") as file:
        for key in sorted(file.keys()):
            tensor = file.get_tensor(key)
            bits = np.ascontiguousarray(tensor).view(np.uint32).reshape(-1).astype(np.uint64)
            total = int((bits * (np.arange(bits.size, dtype=np.uint64) + np.uint64(1))).sum(dtype=np.uint64))
            result[key] = [list(tensor.shape), f"{total:016x}"]
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in result.items())
    (HERE / "smollm2_tensors.json").write_text("{\n" + lines + "\n}\n")


def stories_file():
    """A random model with the tokenizer of tests/golden/tokenizer/stories260k.gguf, rope for long texts and a chat template."""
    tokenizer = gguf.GGUFReader(HERE.parent / "tokenizer" / "stories260k.gguf")
    tokens, scores, types = (tokenizer.fields["tokenizer.ggml." + key].contents() for key in ("tokens", "scores", "token_type"))
    generator = torch.Generator().manual_seed(5)
    layers, heads, dim, hidden = 2, 2, 16, 24
    writer = gguf.GGUFWriter(HERE / "tiny_stories.gguf", "llama")
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_context_length(256)
    writer.add_embedding_length(dim)
    writer.add_feed_forward_length(hidden)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(0)
    writer.add_chat_template("{{ messages[0]['content'] }}")
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(4.0)

    def add(name, *shape):
        values = torch.randn(*shape, generator=generator)
        values = 1 + 0.1 * values if len(shape) == 1 else 0.3 * values
        writer.add_tensor(name, values.numpy())

    add("token_embd.weight", len(tokens), dim)
    add("output_norm.weight", dim)
    for i in range(layers):
        for name, *shape in [("attn_norm", dim), ("attn_q", dim, dim), ("attn_k", dim, dim), ("attn_v", dim, dim),
                             ("attn_output", dim, dim), ("ffn_norm", dim), ("ffn_gate", hidden, dim), ("ffn_up", hidden, dim),
                             ("ffn_down", dim, hidden)]:
            add(f"blk.{i}.{name}.weight", *shape)
    write(writer)


MODEL_FILES = {"tiny_llama_sharded": gguf.MODEL_ARCH.LLAMA, "tiny_qwen2": gguf.MODEL_ARCH.QWEN2, "tiny_gpt2": gguf.MODEL_ARCH.GPT2,
               "tiny_llama_biases": gguf.MODEL_ARCH.LLAMA, "tiny_llama3": gguf.MODEL_ARCH.LLAMA,
               "tiny_qwen2_yarn": gguf.MODEL_ARCH.QWEN2, "tiny_qwen3": gguf.MODEL_ARCH.QWEN3,
               "tiny_smollm3": gguf.MODEL_ARCH.SMOLLM3, "tiny_olmo2": gguf.MODEL_ARCH.OLMO2, "tiny_gemma3_sixth": gguf.MODEL_ARCH.GEMMA3, "tiny_phi3": gguf.MODEL_ARCH.PHI3}


def main():
    only_models = sys.argv[1:2] == ["models"]
    if not only_models:
        blocks_file()
    if not only_models or len(sys.argv) == 2 or "tiny_stories" in sys.argv[2:]:
        stories_file()
    for name, arch in MODEL_FILES.items():
        if not only_models or len(sys.argv) == 2 or name in sys.argv[2:]:
            model_file(name, arch)
    if len(sys.argv) > 1 and not only_models:
        smollm2_numbers(sys.argv[1])


if __name__ == "__main__":
    main()
