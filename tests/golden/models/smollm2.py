#!/usr/bin/env python3
"""Writes smollm2.json: of three stories of data/stories/test.jsonl the ids that tokenizers gives and the log-probabilities that
transformers computes in float32 from the GGUF that tools/setup fetches, and the 20 largest logits behind each.

Run from the root of the project with the packages torch, transformers and gguf (2.11, 5.24 and 0.19 when the stored file was made):
    python3 tests/golden/models/smollm2.py
"""
import json
import pathlib

import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main():
    source = {"pretrained_model_name_or_path": ROOT / ".deps" / "models", "gguf_file": FILE}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    model = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32, attn_implementation="eager").eval()
    result = []
    for line in (ROOT / "data" / "stories" / "test.jsonl").read_text().splitlines()[:3]:
        text = " ".join(json.loads(line)["sentences"])
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        log_p = logits.double().log_softmax(-1)
        top = logits[-1].topk(20)
        result.append({"text": text, "ids": ids, "log_p": [round(log_p[i, ids[i + 1]].item(), 6) for i in range(len(ids) - 1)],
                       "top_ids": top.indices.tolist(), "top_logits": [round(x, 6) for x in top.values.tolist()]})
    (HERE / "smollm2.json").write_text("[" + ",\n".join(map(json.dumps, result)) + "]\n")


if __name__ == "__main__":
    main()
