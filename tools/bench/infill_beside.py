#!/usr/bin/env python3
"""The infilling step of gfn beside the same step in Python, in turn on one machine.

    nice -n -10 tools/bench/infill_beside.py PEERS --python VENV/bin/python --model HF_FOLDER [--dtype fp32 bf16] [--rounds 3]
                                                    [--peers strong_step reference_step]

PEERS is the folder of strong_step.py (a tuned step) and reference_step.py (the cost structure of the published code), VENV its environment (PEERS/README.md sets it up), HF_FOLDER the same model as a Hugging
Face folder. Both get one story with a suffix of 12 tokens, the same batch and lengths, sharing of prefixes off. A round runs each
program once (it warms up by itself), so that a busy minute meets both; medians over rounds are compared. Standard library only.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Their phases in ours: the peer builds the loss apart, in microseconds.
PHASES = {"sample": ["sample"], "reward": ["reward"], "score": ["policy", "loss"], "backward": ["backward"], "optimiser": ["optimiser"]}


def run_gfn(a, dtype):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "bench.json"
        command = [str(a.gfn), "bench", "infill", "--dtype", dtype, "--batch", str(a.batch), "--max-len", str(a.max_len), "--threads",
                   str(a.threads), "--repeats", str(a.repeats), "--json", str(out)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        result = json.loads(out.read_text())
    seconds = {name: phase["seconds"] for name, phase in result["phases"].items()}
    return {"total": result["total_seconds"], "peak_rss_mib": result["peak_rss_mib"], **seconds}


def run_peer(a, peer, dtype):
    command = [a.python, str(pathlib.Path(a.folder) / f"{peer}.py"), "--model", a.model, "--task", "infill", "--dtype", dtype, "--batch",
               str(a.batch), "--max-len", str(a.max_len), "--threads", str(a.threads), "--repeats", str(a.repeats)]
    if a.cold_peer:
        command.append("--no-warmup")
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    result = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
    seconds = {k: v["median"] for k, v in result["seconds"].items()}
    ours = {name: sum(seconds.get(part, 0.0) for part in parts) for name, parts in PHASES.items()}
    return {"total": seconds["total"], "peak_rss_mib": result["peak_rss_mib"], **ours}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", metavar="PEERS", help="folder of strong_step.py")
    p.add_argument("--peers", nargs="+", default=["strong_step"], choices=["strong_step", "reference_step"])
    p.add_argument("--python", default=sys.executable, help="interpreter with torch, transformers and peft")
    p.add_argument("--model", required=True, help="the model as a Hugging Face folder")
    p.add_argument("--gfn", type=pathlib.Path, default=ROOT / "build" / "release" / "gfn")
    p.add_argument("--dtype", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--max-len", type=int, default=25)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--repeats", type=int, default=1, help="measured steps of a round")
    p.add_argument("--cold-peer", action="store_true", help="no full warm-up step of the peer: for bf16 on a machine without bf16 instructions")
    p.add_argument("--json", type=pathlib.Path, help="also write the numbers to this file")
    a = p.parse_args()
    report = {}
    for dtype in a.dtype:
        rounds = {who: [] for who in ["gfn", *a.peers]}
        for i in range(a.rounds):
            for who, runs in rounds.items():
                runs.append(run_gfn(a, dtype) if who == "gfn" else run_peer(a, who, dtype))
            print(f"{dtype} round {i + 1}: " + ", ".join(f"{who} {runs[-1]['total']:.2f} s" for who, runs in rounds.items()), file=sys.stderr)
        median = {who: {key: statistics.median(r[key] for r in runs) for key in runs[0]} for who, runs in rounds.items()}
        report[dtype] = {"median": median, "rounds": rounds}
        print(f"{dtype}, medians of {a.rounds} rounds     gfn" + "".join(f"{peer:>16s}  ratio" for peer in a.peers))
        for key in ["total", *PHASES, "peak_rss_mib"]:
            mine, digits = median["gfn"][key], 0 if key == "peak_rss_mib" else 2
            line = f"  {key:24s} {mine:8.{digits}f}"
            for peer in a.peers:
                theirs = median[peer][key]
                line += f" {theirs:15.{digits}f} {theirs / mine if mine else float('inf'):6.2f}"
            print(line)
    if a.json:
        a.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
