#!/usr/bin/env python3
"""Runs `gfn bench core` beside torchgfn and gfnx on this machine, cell by cell in turn, and prints the ratios.

Each cell is measured by the three programs one after the other, `--rounds` times; a program's number is the median over the
rounds, the ratio is that of the faster library to gfn. `convergence` is the seconds of training until the exact total variation
stays below 0.01 (hypergrid 2D side 8, TB, batch 128, five evaluations in a row, median over five seeds).

Set-up of the libraries, outside the tree (Python 3.11, one environment each; FOLDER is any folder):

    python3.11 -m venv FOLDER/tg
    FOLDER/tg/bin/pip install --no-deps torch==2.11.0 nvidia-cusparselt-cu13 nvidia-nvshmem-cu13 nvidia-cufile
    FOLDER/tg/bin/pip install --no-deps torchgfn==2.4.1 tensordict==0.15.3 torch_geometric==2.8.1 \\
        linear-attention-transformer axial-positional-embedding linformer local-attention product-key-memory \\
        colt5-attention hyper-connections torch-einops-utils
    FOLDER/tg/bin/pip install "numpy<2" filelock fsspec jinja2 networkx sympy typing-extensions dill einops tqdm \\
        packaging pyvers cloudpickle aiohttp psutil pyparsing requests xxhash
    python3.11 -m venv FOLDER/gx && FOLDER/gx/bin/pip install "gfnx[baselines]==0.0.1"

Then:

    tools/bench/core_beside.py --venvs FOLDER --json beside.json

The libraries are driven by torchgfn_bench.py and gfnx_bench.py of --peers. Without one of the libraries its column stays empty.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

HYPERGRID = {"2d-8": ["--ndim", "2", "--height", "8"], "4d-16": ["--ndim", "4", "--height", "16"]}


def cells():
    out = {}
    for name, size in HYPERGRID.items():
        for batch in (32, 128, 512):
            out[f"hypergrid-{name}/{batch}"] = ["--task", "hypergrid", *size, "--batch", str(batch)]
    for batch in (16, 128):
        out[f"bit-sequence-120-8/{batch}"] = ["--task", "bitseq", "--batch", str(batch)]
    for batch in (32, 128, 512):
        out[f"ising-6/{batch}"] = ["--task", "ising", "--batch", str(batch)]
    return out


def last_json(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_gfn(gfn, cell):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "core.json")
        done = subprocess.run([gfn, "bench", "core", "--cell", cell, "--json", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip()[-400:])
        with open(path) as f:
            return json.load(f)


class Library:
    def __init__(self, name, python, script, blocks):
        self.name, self.python, self.script, self.blocks = name, python, script, blocks

    def present(self):
        return os.path.exists(self.python) and os.path.exists(self.script)

    def speed(self, arguments, large):
        return last_json([self.python, self.script, "speed", *arguments, *self.blocks[large]])["ms_per_iter"]["median"]

    def seconds_to_target(self, seeds):
        seconds = []
        for seed in range(seeds):
            out = last_json([self.python, self.script, "accuracy", "--loss", "tb", "--batch", "128", "--hold", "5", "--targets", "0.01",
                             "--seed", str(seed)])
            seconds.append(out["reached"]["0.01"]["train_s"] if out["reached"] else float("inf"))
        return seconds


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--venvs", required=True, help="folder with the environments tg and gx")
    p.add_argument("--peers", default=os.path.join(ROOT, "..", "shared", "peers"), help="folder with torchgfn_bench.py and gfnx_bench.py")
    p.add_argument("--gfn", default=os.path.join(ROOT, "build", "release", "gfn"), help="the gfn to measure")
    p.add_argument("--cells", nargs="*", help="only these cells (names as `gfn bench core` prints them), or convergence")
    p.add_argument("--rounds", type=int, default=1, help="turns a cell gets")
    p.add_argument("--seeds", type=int, default=5, help="of convergence")
    p.add_argument("--json", help="also write the numbers to this file")
    args = p.parse_args()
    known = [*cells(), "convergence"]
    unknown = [cell for cell in args.cells or [] if cell not in known]
    if unknown:
        p.error(f"argument --cells: unknown cell {', '.join(unknown)}; known are {', '.join(known)}")
    libraries = [
        Library("torchgfn", os.path.join(args.venvs, "tg", "bin", "python"), os.path.join(args.peers, "torchgfn_bench.py"),
                (["--warmup", "10", "--iters", "10", "--repeats", "3"], ["--warmup", "3", "--iters", "5", "--repeats", "3"])),
        Library("gfnx", os.path.join(args.venvs, "gx", "bin", "python"), os.path.join(args.peers, "gfnx_bench.py"),
                (["--iters", "20", "--repeats", "3"], ["--iters", "5", "--repeats", "3"])),
    ]
    for library in libraries:
        if not library.present():
            print(f"{library.name}: no {library.python}, or no {library.script}: left out", file=sys.stderr)
    libraries = [library for library in libraries if library.present()]
    results = {}
    print(f"{'cell':26} {'gfn ms':>10} " + " ".join(f"{lib.name + ' ms':>12}" for lib in libraries) + f" {'ratio':>7}")
    for cell, arguments in cells().items():
        if args.cells and cell not in args.cells:
            continue
        times = {"gfn": []}
        try:
            for _ in range(args.rounds):
                times["gfn"].append(run_gfn(args.gfn, cell)["cells"][0]["ms"])
                for lib in libraries:
                    times.setdefault(lib.name, []).append(lib.speed(arguments, int(cell.split("/")[1]) >= 128))
        except RuntimeError as error:
            print(f"{cell:26} {error}", file=sys.stderr)
            continue
        medians = {name: statistics.median(values) for name, values in times.items()}
        ratio = min([medians[lib.name] for lib in libraries], default=float("nan")) / medians["gfn"]
        results[cell] = {"ms": medians, "rounds": times, "ratio": ratio}
        print(f"{cell:26} {medians['gfn']:10.3f} " + " ".join(f"{medians[lib.name]:12.2f}" for lib in libraries) + f" {ratio:7.1f}", flush=True)
    if not args.cells or "convergence" in args.cells:
        ours = run_gfn(args.gfn, "convergence")["seconds_to_tv_0.01"]
        theirs = {lib.name: statistics.median(lib.seconds_to_target(args.seeds)) for lib in libraries}
        ratio = min(theirs.values(), default=float("nan")) / ours["median"]
        results["convergence"] = {"seconds": {"gfn": ours["median"], **theirs}, "ratio": ratio}
        print(f"{'seconds to TV < 0.01':26} {ours['median']:10.3f} " + " ".join(f"{theirs[lib.name]:12.2f}" for lib in libraries) + f" {ratio:7.1f}")
    if args.json:
        with open(args.json, "w") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
