"""Writes small LoRA adapters with PEFT on the models of tests/golden/models, each with reference logits.

Run with the packages torch, transformers and peft (2.11, 5.23 and 0.21 when the stored files were made):
    python3 tests/golden/peft/regenerate.py [NAME...]
Each folder is what PeftModel.save_pretrained writes, plus reference.json as in tests/golden/models: the logits of the model
with the adapter; and gradients.json: for each of its modules the gradients of the factors A and B, row by row, of the tokens'
negative log-likelihood (the sum over all but the first). Both matrices are random, as after training (a fresh adapter's B is zero and would change nothing).
"""
import json
import pathlib
import shutil
import sys

import peft
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
COMMON = dict(task_type="CAUSAL_LM", lora_dropout=0.0, bias="none")

ADAPTERS = {
    "tiny_llama": ("tiny_llama", dict(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj", "down_proj"])),
    # other ranks and alphas by pattern, a module given by its whole path
    "tiny_llama_patterns": ("tiny_llama", dict(
        r=2, lora_alpha=3, target_modules=["k_proj", "o_proj", "up_proj"],
        rank_pattern={"up_proj": 3, "model.layers.1.self_attn.k_proj": 1}, alpha_pattern={"o_proj": 5})),
    # Conv1D weights and scale = alpha / sqrt(rank)
    "tiny_gpt2": ("tiny_gpt2", dict(r=3, lora_alpha=2, use_rslora=True, fan_in_fan_out=True,
                                    target_modules=["c_attn", "c_proj", "c_fc"])),
    # modules by a regular expression; ranks and alphas by regular expressions, the first that matches counts
    "tiny_llama_regex": ("tiny_llama", dict(
        r=2, lora_alpha=3, use_rslora=True, target_modules=r".*layers\.\d+\.(self_attn\.[qv]|mlp\.(up|down))_proj",
        rank_pattern={r"layers\.[0].*_proj": 3, "q_proj": 1}, alpha_pattern={r"^model\.layers\.1\.mlp\..*": 7, "up_proj": 5})),
    # every linear module but one
    "tiny_llama_all_linear": ("tiny_llama", dict(r=2, lora_alpha=4, target_modules="all-linear", exclude_modules=["up_proj"])),
    # some layers only
    "tiny_gptj_layers": ("tiny_gptj", dict(r=2, lora_alpha=4, target_modules=["q_proj", "out_proj", "fc_in"],
                                           layers_to_transform=[1], layers_pattern="h")),
    "tiny_qwen3": ("tiny_qwen3", dict(r=2, lora_alpha=4, target_modules="all-linear")),
    "tiny_smollm3": ("tiny_smollm3", dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj", "down_proj"])),
    "tiny_olmo2": ("tiny_olmo2", dict(r=2, lora_alpha=4, target_modules="all-linear")),
    "tiny_gemma3": ("tiny_gemma3", dict(r=2, lora_alpha=4, target_modules="all-linear")),
    # the fused modules under their own names
    "tiny_phi3": ("tiny_phi3", dict(r=2, lora_alpha=4, target_modules=["qkv_proj", "gate_up_proj", "down_proj"])),
}


def main():
    for seed, (name, (base, settings)) in enumerate(ADAPTERS.items()):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(MODELS / base, dtype=torch.float32,
                                                                  attn_implementation="eager")
        model = peft.get_peft_model(model, peft.LoraConfig(**COMMON, **settings))
        model.peft_config["default"].base_model_name_or_path = base
        generator = torch.Generator().manual_seed(2000 + seed)
        with torch.no_grad():
            for key, p in model.named_parameters():
                if "lora_" in key:
                    p.copy_(0.3 * torch.randn(p.shape, generator=generator))
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)

        model.eval()
        plain = json.loads((MODELS / base / "reference.json").read_text())
        ids = torch.tensor([plain["token_ids"]])
        logits = model(ids).logits[0]
        torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="sum").backward()
        gradients = {}
        for key, p in model.named_parameters():
            if "lora_" in key:
                module, factor = key.removeprefix("base_model.model.").removesuffix(".default.weight").split(".lora_")
                gradients.setdefault(module, {})[factor] = p.grad.flatten().tolist()
        logits = logits.detach()
        rows = ",\n".join("[" + ",".join(f"{x:.8g}" for x in row) + "]" for row in logits.tolist())
        of_modules = ",\n".join(f'"{module}": {{' + ", ".join(
            f'"{factor}": [' + ",".join(f"{x:.8g}" for x in numbers) + "]" for factor, numbers in factors.items()) + "}"
            for module, factors in gradients.items())
        (folder / "reference.json").write_text(f'{{"token_ids": {json.dumps(ids[0].tolist())},\n"logits": [\n{rows}\n]}}\n')
        (folder / "gradients.json").write_text("{\n" + of_modules + "\n}\n")
        change = (logits - torch.tensor(plain["logits"])).abs().max().item()
        print(name, "largest change of a logit", change)


if __name__ == "__main__":
    main()
