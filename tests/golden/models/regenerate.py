"""Writes the tiny random Hugging Face models beside this script, each with reference logits of transformers.

Run with the packages torch and transformers (2.11 and 5.23 when the first five were made, 5.24 for the others):
    python3 tests/golden/models/regenerate.py [NAME...]
Weights are stored in the type named below and are read back as float32 for the reference, so that a reader in float32 has
exactly the same numbers. They are large enough that attention is far from uniform and every bias and norm matters.
reference.json: {"token_ids": [12 ids], "logits": [12 x vocab numbers of float32]}.
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
VOCAB = 64
LLAMA = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=None)

MODELS = {
    # grouped-query attention, tied embeddings
    "tiny_llama": (torch.float32, None, lambda: transformers.LlamaConfig(
        **LLAMA, rms_norm_eps=1e-5, rope_theta=1000.0, tie_word_embeddings=True)),
    # biases of q, k and v, a head of its own
    "tiny_qwen2": (torch.bfloat16, None, lambda: transformers.Qwen2Config(
        **LLAMA, rms_norm_eps=1e-6, rope_theta=10000.0, tie_word_embeddings=False)),
    # Conv1D weights [in, out], learned positions
    "tiny_gpt2": (torch.float16, None, lambda: transformers.GPT2Config(
        vocab_size=VOCAB, n_positions=32, n_embd=32, n_layer=2, n_head=4, n_inner=48, bos_token_id=0, eos_token_id=0)),
    # interleaved rope on 4 of the 8 numbers of a head, parallel attention and MLP, a head with bias
    "tiny_gptj": (torch.bfloat16, None, lambda: transformers.GPTJConfig(
        vocab_size=VOCAB, n_positions=32, n_embd=32, n_layer=2, n_head=4, n_inner=48, rotary_dim=4, bos_token_id=0,
        eos_token_id=0, tie_word_embeddings=False)),
    # heads wider than hidden_size / num_heads, a head of its own, several shards with an index
    "tiny_llama_sharded": (torch.bfloat16, "16KB", lambda: transformers.LlamaConfig(
        **LLAMA, head_dim=12, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False)),
    # biases of all seven products; config.json says that the head is tied, and the file holds another one
    "tiny_llama_biases": (torch.float32, None, lambda: transformers.LlamaConfig(
        **LLAMA, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-5, tie_word_embeddings=False)),
    # every part of the ramp within 12 positions; several ids that end a text
    "tiny_llama3": (torch.bfloat16, None, lambda: transformers.LlamaConfig(
        **{**LLAMA, "eos_token_id": [2, 5], "pad_token_id": 3}, rms_norm_eps=1e-5, tie_word_embeddings=True,
        rope_parameters=dict(rope_type="llama3", rope_theta=100.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                             original_max_position_embeddings=16))),
    # an attention factor of its own, no windowed layer in spite of the window
    "tiny_qwen2_yarn": (torch.bfloat16, None, lambda: transformers.Qwen2Config(
        **LLAMA, rms_norm_eps=1e-6, tie_word_embeddings=True, use_sliding_window=True, sliding_window=4, max_window_layers=2,
        rope_parameters=dict(rope_type="yarn", rope_theta=100.0, factor=4.0, beta_fast=4.0, beta_slow=0.5,
                             attention_factor=1.25, original_max_position_embeddings=16))),
    # the ramp's bounds between dimensions, the attention factor from mscale
    "tiny_llama_yarn": (torch.bfloat16, None, lambda: transformers.LlamaConfig(
        **LLAMA, rms_norm_eps=1e-5, tie_word_embeddings=True,
        rope_parameters=dict(rope_type="yarn", rope_theta=100.0, factor=4.0, beta_fast=4.0, beta_slow=0.5, mscale=0.7,
                             mscale_all_dim=0.3, truncate=False, original_max_position_embeddings=16))),
    # a window that no sequence here reaches
    "tiny_mistral": (torch.bfloat16, None, lambda: transformers.MistralConfig(
        **LLAMA, head_dim=16, rms_norm_eps=1e-5, sliding_window=48, tie_word_embeddings=False,
        rope_parameters=dict(rope_type="linear", rope_theta=1000.0, factor=3.0))),
    # norms of the heads of q and k, heads wider than hidden_size / num_heads
    "tiny_qwen3": (torch.bfloat16, None, lambda: transformers.Qwen3Config(
        **LLAMA, head_dim=16, rms_norm_eps=1e-6, rope_theta=1000.0, tie_word_embeddings=True)),
    # the fourth layer is not rotated
    "tiny_smollm3": (torch.bfloat16, None, lambda: transformers.SmolLM3Config(
        **{**LLAMA, "num_hidden_layers": 4}, rms_norm_eps=1e-6, rope_theta=1000.0, tie_word_embeddings=True)),
    # norms behind attention and MLP alone, norms of all of q and of k
    "tiny_olmo2": (torch.bfloat16, None, lambda: transformers.Olmo2Config(
        **LLAMA, rms_norm_eps=1e-6, rope_theta=1000.0, tie_word_embeddings=False)),
    # four norms of 1 + w, GELU gates, a scaled embedding, scores over the root of 24; two layers with a window and a base of their
    # own, then one without, whose rope is scaled
    "tiny_gemma3": (torch.bfloat16, None, lambda: transformers.Gemma3TextConfig(
        **{**LLAMA, "num_hidden_layers": 3}, head_dim=16, rms_norm_eps=1e-6, tie_word_embeddings=True, sliding_window=40,
        query_pre_attn_scalar=24, layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        rope_parameters={"full_attention": dict(rope_type="linear", rope_theta=1000.0, factor=4.0),
                         "sliding_attention": dict(rope_type="default", rope_theta=100.0)})),
    # what llama.cpp has built in for Gemma 3: every sixth layer without a window, a local base of 10000, the scale of the heads
    "tiny_gemma3_sixth": (torch.bfloat16, None, lambda: transformers.Gemma3TextConfig(
        **{**LLAMA, "num_hidden_layers": 7, "hidden_size": 16}, head_dim=8, rms_norm_eps=1e-6, tie_word_embeddings=True,
        sliding_window=40, query_pre_attn_scalar=8,
        rope_parameters={"full_attention": dict(rope_type="linear", rope_theta=1000000.0, factor=8.0),
                         "sliding_attention": dict(rope_type="default", rope_theta=10000.0)})),
    # q, k and v in one module, gate and up in another; longrope on half of each head, exact up to the original positions
    "tiny_phi3": (torch.bfloat16, None, lambda: transformers.Phi3Config(
        **{**LLAMA, "pad_token_id": 3}, rms_norm_eps=1e-5, tie_word_embeddings=False, original_max_position_embeddings=32,
        rope_parameters=dict(rope_type="longrope", rope_theta=1000.0, partial_rotary_factor=0.5, short_factor=[1.25, 1.5],
                             long_factor=[2.0, 4.0]))),
}


def randomize(model, generator):
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        is_norm = "norm" in name or ".ln_" in name
        with torch.no_grad():
            if name.endswith("weight") and is_norm:
                p.copy_(0.2 * noise + (0 if model.config.model_type == "gemma3_text" else 1))
            elif p.dim() == 1:
                p.copy_(0.2 * noise)
            else:
                p.copy_(0.25 * noise)


def main():
    for seed, (name, (dtype, shard, make_config)) in enumerate(MODELS.items()):
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        generator = torch.Generator().manual_seed(1000 + seed)
        model = transformers.AutoModelForCausalLM.from_config(make_config())
        randomize(model, generator)
        model.to(dtype).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
        (folder / "generation_config.json").unlink(missing_ok=True)
        if name == "tiny_llama_biases":
            config = json.loads((folder / "config.json").read_text())
            config["tie_word_embeddings"] = True
            (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")

        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        model.eval()
        ids = torch.randint(3, VOCAB, (12,), generator=generator)
        with torch.no_grad():
            logits = model(ids[None]).logits[0]
        rows = ",\n".join("[" + ",".join(f"{x:.8g}" for x in row) + "]" for row in logits.tolist())
        (folder / "reference.json").write_text(f'{{"token_ids": {json.dumps(ids.tolist())},\n"logits": [\n{rows}\n]}}\n')
        print(name, "max |logit|", logits.abs().max().item(), "std", logits.std().item())


if __name__ == "__main__":
    main()
