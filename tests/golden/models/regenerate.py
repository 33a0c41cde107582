"""Writes the tiny random Hugging Face models beside this script, each with reference logits of transformers.

Run with the packages torch and transformers (2.11 and 5.23 when the stored files were made):
    python3 tests/golden/models/regenerate.py
Weights are stored in the type named below and are read back as float32 for the reference, so that a reader in float32 has
exactly the same numbers. They are large enough that attention is far from uniform and every bias and norm matters.
reference.json: {"token_ids": [12 ids], "logits": [12 x vocab numbers of float32]}.
"""
import json
import pathlib
import shutil

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
}


def randomize(model, generator):
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        is_norm = "norm" in name or ".ln_" in name
        with torch.no_grad():
            if name.endswith("weight") and is_norm:
                p.copy_(1 + 0.2 * noise)
            elif p.dim() == 1:
                p.copy_(0.2 * noise)
            else:
                p.copy_(0.25 * noise)


def main():
    for seed, (name, (dtype, shard, make_config)) in enumerate(MODELS.items()):
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        generator = torch.Generator().manual_seed(1000 + seed)
        model = transformers.AutoModelForCausalLM.from_config(make_config())
        randomize(model, generator)
        model.to(dtype).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
        (folder / "generation_config.json").unlink(missing_ok=True)

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
