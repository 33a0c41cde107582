#!/usr/bin/env python3
"""Decoding of gfn beside llama.cpp, in turn on one machine, the same weights in the same precision.

    nice -n -10 tools/bench/decode_beside.py --python VENV/bin/python [--model FILE.gguf] [--rounds 3]

VENV has xllamacpp (its wheel brings llama.cpp built), gguf and numpy. The model is a GGUF file; F32 and BF16 copies of it are written
to a folder of temporary files (--keep FOLDER keeps them). Both decode --new-tokens greedy tokens behind a prompt of --prompt-tokens,
at batch 1 and 16; the prompt's own pass is not counted. A round runs each program once; medians over rounds are compared. Standard
library only here; the other program is this file again under VENV's Python.
"""
import argparse
import ctypes
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def write_copy(source, target, precision):
    """A copy of a GGUF file with every quantised tensor as F32 or BF16; norms stay F32. Metadata is copied as it is."""
    import gguf
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        writer.add_key_value(name, field.contents(), kind, sub_type=field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    kind = gguf.GGMLQuantizationType.F32 if precision == "fp32" else gguf.GGMLQuantizationType.BF16
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if precision == "fp32" else gguf.LlamaFileType.MOSTLY_BF16)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if len(tensor.shape) == 1 or precision == "fp32":
            writer.add_tensor(tensor.name, values)
        else:
            writer.add_tensor(tensor.name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Params(ctypes.Structure):
    """llama_model_params or llama_context_params: only the first fields of the second are read, the rest goes back as it came."""
    _fields_ = [("n_ctx", ctypes.c_uint32), ("n_batch", ctypes.c_uint32), ("n_ubatch", ctypes.c_uint32), ("n_seq_max", ctypes.c_uint32),
                ("rest", ctypes.c_uint8 * 1024)]


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)), ("embd", ctypes.c_void_p),
                ("pos", ctypes.POINTER(ctypes.c_int32)), ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
                ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))), ("logits", ctypes.POINTER(ctypes.c_int8))]


def load_llama():
    """llama.cpp's C interface, as the extension module of xllamacpp exports it."""
    import xllamacpp
    llama = ctypes.CDLL(next(str(p) for p in pathlib.Path(xllamacpp.__file__).parent.glob("*.so")))
    for name in ("llama_model_default_params", "llama_context_default_params"):
        getattr(llama, name).restype = Params
    for name, result, arguments in (
            ("llama_model_load_from_file", ctypes.c_void_p, [ctypes.c_char_p, Params]),
            ("llama_init_from_model", ctypes.c_void_p, [ctypes.c_void_p, Params]),
            ("llama_set_n_threads", None, [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32]),
            ("llama_model_get_vocab", ctypes.c_void_p, [ctypes.c_void_p]),
            ("llama_vocab_n_tokens", ctypes.c_int32, [ctypes.c_void_p]),
            ("llama_batch_init", Batch, [ctypes.c_int32, ctypes.c_int32, ctypes.c_int32]),
            ("llama_decode", ctypes.c_int32, [ctypes.c_void_p, Batch]),
            ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), [ctypes.c_void_p, ctypes.c_int32])):
        getattr(llama, name).restype, getattr(llama, name).argtypes = result, arguments
    return llama


def decode_llama(path, batch, prompt_tokens, new_tokens, threads):
    """Milliseconds of one decoding step of llama.cpp, and the version."""
    import numpy
    llama = load_llama()
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(str(path).encode(), llama.llama_model_default_params())
    params = llama.llama_context_default_params()
    if (params.n_ctx, params.n_ubatch, params.n_seq_max) != (512, 512, 1):
        sys.exit("llama_context_params begins otherwise in this version of llama.cpp")
    params.n_ctx = batch * 256 * -(-(prompt_tokens + new_tokens + 8) // 256)
    params.n_batch = params.n_ubatch = max(512, batch)
    params.n_seq_max = batch
    context = llama.llama_init_from_model(model, params)
    llama.llama_set_n_threads(context, threads, threads)
    vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    tokens = llama.llama_batch_init(max(512, batch * prompt_tokens), 0, batch)

    def fill(rows):  # (token, position, sequence, wants logits)
        tokens.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            tokens.token[i], tokens.pos[i], tokens.n_seq_id[i], tokens.logits[i] = token, position, 1, wanted
            tokens.seq_id[i][0] = sequence
        if llama.llama_decode(context, tokens) != 0:
            raise RuntimeError("llama_decode failed")

    def greedy(indices):
        return [int(numpy.ctypeslib.as_array(llama.llama_get_logits_ith(context, i), shape=(vocabulary,)).argmax()) for i in indices]

    prompt = [100 + i for i in range(prompt_tokens)]
    for sequence in range(batch):
        fill([(token, i, sequence, i + 1 == prompt_tokens) for i, token in enumerate(prompt)])
    ids = greedy([-1]) * batch
    fill([(ids[s], prompt_tokens, s, True) for s in range(batch)])  # the first step pays for allocations
    start = time.perf_counter()
    for t in range(1, new_tokens + 1):
        ids = greedy(range(batch))
        fill([(ids[s], prompt_tokens + t, s, True) for s in range(batch)])
    return {"ms_per_step": 1e3 * (time.perf_counter() - start) / new_tokens, "version": importlib.metadata.version("xllamacpp")}


def last_json(command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:3])}: exit {done.returncode}: {done.stderr.strip()[-600:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_gfn(a, path, dtype):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "decode.json"
        command = [str(a.gfn), "bench", "decode", "--model", str(path), "--dtype", dtype, "--threads", str(a.threads), "--prompt-tokens",
                   str(a.prompt_tokens), "--new-tokens", str(a.new_tokens), "--repeats", "1", "--json", str(out)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        result = json.loads(out.read_text())
    return {row["batch"]: row["ms_per_step"] for row in result["rows"]}, result["read_gb_per_s"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", default=sys.executable, help="interpreter with xllamacpp, gguf and numpy")
    p.add_argument("--model", default=".deps/models/SmolLM2-135M-Instruct.Q4_1.gguf", help="GGUF file, absolute or below the tree")
    p.add_argument("--gfn", type=pathlib.Path, default=ROOT / "build" / "release" / "gfn")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--prompt-tokens", type=int, default=45)
    p.add_argument("--new-tokens", type=int, default=64)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--keep", type=pathlib.Path, help="folder for the F32 and BF16 copies, used again if they are there")
    p.add_argument("--json", type=pathlib.Path, help="also write the numbers to this file")
    p.add_argument("--part", nargs="+", help=argparse.SUPPRESS)  # this file under the other Python: copy or decode
    a = p.parse_args()
    if a.part and a.part[0] == "copy":
        write_copy(a.part[1], a.part[2], a.part[3])
        print("{}")
        return
    if a.part:
        print(json.dumps(decode_llama(a.part[1], int(a.part[2]), a.prompt_tokens, a.new_tokens, a.threads)))
        return

    with tempfile.TemporaryDirectory() as temporary:
        folder = a.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        me = [a.python, os.path.abspath(__file__), "--threads", str(a.threads), "--prompt-tokens", str(a.prompt_tokens), "--new-tokens",
              str(a.new_tokens), "--part"]
        files = {"fp32": folder / "f32.gguf", "bf16": folder / "bf16.gguf"}
        for precision, path in files.items():
            if not path.exists():
                last_json([*me, "copy", a.model, str(path), precision])
        cells = [(precision, batch) for precision in files for batch in (1, 16)]
        times = {who: {cell: [] for cell in cells} for who in ("gfn", "llama.cpp")}
        reads, version = [], ""
        for _ in range(a.rounds):
            for precision, path in files.items():
                mine, bandwidth = run_gfn(a, path, precision)
                reads.append(bandwidth)
                for batch, ms in mine.items():
                    times["gfn"][(precision, batch)].append(ms)
            for cell in cells:
                theirs = last_json([*me, "decode", str(files[cell[0]]), str(cell[1])])
                times["llama.cpp"][cell].append(theirs["ms_per_step"])
                version = theirs["version"]
    print(f"tokens a second, medians of {a.rounds} rounds, {a.threads} threads; reads {statistics.median(reads):.1f} GB/s; xllamacpp {version}")
    print(f"{'weights':8} {'batch':>5} {'gfn':>9} {'llama.cpp':>10} {'ratio':>6}")
    report = {"read_gb_per_s": reads, "xllamacpp": version, "cells": []}
    for precision, batch in cells:
        rate = {who: 1e3 * batch / statistics.median(t[(precision, batch)]) for who, t in times.items()}
        print(f"{precision:8} {batch:5} {rate['gfn']:9.1f} {rate['llama.cpp']:10.1f} {rate['gfn'] / rate['llama.cpp']:6.2f}")
        report["cells"].append({"weights": precision, "batch": batch, "tokens_per_s": rate,
                                "ms_per_step": {who: t[(precision, batch)] for who, t in times.items()}})
    if a.json:
        a.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
