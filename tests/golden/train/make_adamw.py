"""Numbers of torch.optim.AdamW for gflownet/train/optimizer_test.cc: python3 make_adamw.py > adamw.json

Parameters start at sin(k), gradients of step t are cos(0.7 k + t) * scale, in closed form so that the test can make them
itself. The second parameter has no gradient in step 2.
"""
import json
import torch

SIZES = [7, 3]
STEPS = 5


def run(dtype, weight_decay, clip_norm):
    parameters = [torch.sin(torch.arange(n, dtype=torch.float64)).to(dtype).requires_grad_() for n in SIZES]
    optimizer = torch.optim.AdamW([
        {"params": [parameters[0]], "lr": 0.01},
        {"params": [parameters[1]], "lr": 0.05, "weight_decay": 0.0},
    ], betas=(0.9, 0.99), eps=1e-8, weight_decay=weight_decay)
    norms = []
    for t in range(STEPS):
        for p in parameters:
            g = torch.cos(0.7 * torch.arange(p.numel(), dtype=torch.float64) + t) * (1 + t)
            p.grad = g.to(dtype)
        if t == 2:
            parameters[1].grad = None
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, clip_norm if clip_norm > 0 else 1e30).item())
        optimizer.step()
    return {"dtype": str(dtype)[6:], "weight_decay": weight_decay, "clip_norm": clip_norm, "norms": norms,
            "values": [p.detach().double().tolist() for p in parameters]}


print(json.dumps([run(d, w, c) for d in (torch.float32, torch.float64) for w, c in ((0.0, 0.0), (0.1, 1.5))], indent=1))
