#!/usr/bin/env python3
"""Writes folders.json (and stories260k.model): Hugging Face folders and the ids that transformers gives for texts in them.

usage: folders.py SHARED_DATA      (needs PyPI transformers 5, tokenizers, sentencepiece)

A case is a vocabulary (tokenizer.json, a SentencePiece model, or vocab.json with merges.txt), changes to it, and the files beside
it. `ids` are those of AutoTokenizer with its special tokens added.
"""
import json
import pathlib
import shutil
import sys
import tempfile

from transformers import AutoTokenizer

from regenerate import ALPHABET, QWEN2, model_proto, read_llama2c

HERE = pathlib.Path(__file__).parent
WORDS = ["the", " the", " a", " dog", "dog", " ran", " zebra", "12", " 1"]


def bytes_tokenizer():
    """Byte-level BPE: 256 bytes, merges that make WORDS from left to right, and special tokens in front."""
    vocab = {"<s>": 0, "</s>": 1, "<mask>": 2, "<sop>": 3}
    for b in range(256):
        vocab[ALPHABET[b]] = len(vocab)
    merges = []
    for word in WORDS:
        written = "".join(ALPHABET[b] for b in word.encode())
        for k in range(1, len(written)):
            pair = [written[:k], written[k]]
            if pair not in merges:
                merges.append(pair)
            vocab.setdefault(written[:k + 1], len(vocab))
    added = [token(i, name, special=True) for name, i in vocab.items() if i < 4]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": byte_level(False), "post_processor": None, "decoder": byte_level(True),
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocab, "merges": merges}}


def flags(content, special=False, normalized=False, **more):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": normalized, "special": special, **more}


def token(i, content, **more):
    return {"id": i, **flags(content, **more)}


def byte_level(prefix, **more):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": True, **more}


def split_by_pattern(prefix):
    return {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": False},
                                                  byte_level(prefix, use_regex=False)]}


SPECIAL_IDS = {"<s>": [0], "</s>": [1], "<mask>": [2], "<sop>": [3], "pair": [2, 3]}


def template(*single, ids=SPECIAL_IDS):
    pieces = [{"Sequence": {"id": "A", "type_id": 0}} if p == "A" else {"SpecialToken": {"id": p, "type_id": 0}} for p in single]
    return {"type": "TemplateProcessing", "single": pieces,
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {n: {"id": n, "ids": i, "tokens": [n] * len(i)} for n, i in ids.items()}}


FAST = "PreTrainedTokenizerFast"
ENDS = {"bos_token": "<s>", "eos_token": "</s>"}
LLAMA = {"model_type": "llama", "vocab_size": 99, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 24}
GPT2 = {"model_type": "gpt2"}
TEXTS = ["the dog ran", " the dog", "dog<s> dog", "a zebra, 12 dogs", "zebra", "two zebras zebra_ zebra", "x <mask> dog<sop>the"]
MARKED = ["the dog ran", "  the dog", "dog<s> dog", "the zebra saw a yak, big", "zebra", "zebras zebra_ zebra", "<s>the</s>\n</s> the", "café é zebra"]


def config(tokenizer_class=FAST, model=LLAMA, **more):
    files = {"tokenizer_config.json": {**ENDS, **more}, "config.json": model}
    if tokenizer_class:
        files["tokenizer_config.json"]["tokenizer_class"] = tokenizer_class
    return files


def cases(sizes):
    n, m = sizes["bytes"], sizes["stories"]

    def case(name, base, change, files, texts=None):
        out.append({"name": name, "base": base, "change": change, "files": files,
                    "texts": texts or (TEXTS if base in ("bytes", "pair") else MARKED)})

    out = []
    # Who decides on the ends of a text: the post-processor.
    for key in [{}, {"add_bos_token": False}, {"add_bos_token": True, "add_eos_token": True}]:
        name = "_".join(f"{k}_{v}" for k, v in key.items()) or "no_key"
        case(f"template_bos_{name}", "bytes", {"post_processor": template("<s>", "A")}, config(**key))
        case(f"no_template_{name}", "bytes", {}, config(**key))
    case("template_two_before_one_behind", "bytes", {"post_processor": template("<mask>", "<sop>", "A", "</s>")}, config())
    case("template_name_of_two_ids", "bytes", {"post_processor": template("pair", "A", "pair")}, config())
    sequence = {"type": "Sequence", "processors": [byte_level(True), template("<s>", "A", "</s>")]}
    case("sequence_of_processors", "bytes", {"post_processor": sequence}, config("LlamaTokenizerFast", add_bos_token=False))
    case("byte_level_processor", "bytes", {"post_processor": byte_level(True)}, config(add_bos_token=True))
    for kind in ("BertProcessing", "RobertaProcessing"):
        more = {"trim_offsets": True, "add_prefix_space": True} if kind.startswith("R") else {}
        case(kind, "bytes", {"post_processor": {"type": kind, "sep": ["</s>", 1], "cls": ["<s>", 0], **more}}, config())
    case("neox_knows_no_template", "bytes", {"post_processor": template("<s>", "A"), "normalizer": {"type": "NFC"}},
         config("GPTNeoXTokenizer", pad_token="<mask>", unk_token="<s>"))
    # The space before a text: the file, unless the class says.
    for prefix in (False, True):
        for cls, model in [(FAST, LLAMA), ("GPT2Tokenizer", GPT2), ("GPT2TokenizerFast", LLAMA), ("CodeGenTokenizer", LLAMA), (None, GPT2), (None, LLAMA)]:
            for key in ({}, {"add_prefix_space": True}, {"add_prefix_space": False}):
                case(f"prefix_{prefix}_{cls}_{model['model_type']}_{key.get('add_prefix_space')}", "bytes", {"pre_tokenizer": byte_level(prefix)},
                     config(cls, model, unk_token="<s>", **key))
    case("prefix_before_every_word", "bytes", {"pre_tokenizer": split_by_pattern(True)}, config())
    case("prefix_of_qwen2", "bytes", {"pre_tokenizer": split_by_pattern(False), "normalizer": {"type": "NFC"}},
         config("Qwen2Tokenizer", add_prefix_space=True))
    # Added tokens and their flags, in tokenizer.json and beside it.
    base = bytes_tokenizer()["added_tokens"]
    for name, more in {"plain": {}, "single_word": {"single_word": True}, "strips": {"lstrip": True, "rstrip": True}, "normalized": {"normalized": True}}.items():
        zebra = flags("zebra", **more)
        case(f"added_{name}", "bytes", {"added_tokens": [*base, {"id": n, **zebra}]}, config())
        case(f"added_beside_{name}", "bytes", {}, config(added_tokens_decoder={str(n): zebra}))
        case(f"added_nfc_{name}", "bytes", {"normalizer": {"type": "NFC"}, "added_tokens": [*base, token(n, "zébra", **more), token(n + 1, "bre\u0301", normalized=True)]},
             config(), ["a ze\u0301bra ran", "zébra", "bré bre\u0301 zébras", "<s>ze\u0301bra<s>"])
        case(f"added_marked_{name}", "stories", {"added_tokens": [*stories()["added_tokens"], {"id": m, **zebra}, token(m + 1, "yak")]}, config())
    case("added_overlap", "bytes", {"added_tokens": [*base, token(n, "ab"), token(n + 1, "bcd"), token(n + 2, "abx", normalized=True), token(n + 3, "b")]},
         config(), ["abcd", "bcdab", "abx", "xabcdb", "aab"])
    case("normalized_specials", "stories", {"added_tokens": [{**t, "normalized": True} for t in stories()["added_tokens"]]}, config())
    case("pad_beside", "bytes", {}, config(pad_token="<pad>", additional_special_tokens=["<x>"]), ["dog <pad> <x>", "<pad>"])
    case("added_tokens_json", "bytes", {}, {**config(), "added_tokens.json": {"zebra": n}})
    # The class of SentencePiece vocabularies.
    yak = [*stories()["added_tokens"], token(m, "zebra", normalized=True), token(m + 1, "yak")]
    ids = {"<s>": [1], "</s>": [2]}
    for cls in ("LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", FAST, None):
        for key in ({}, {"legacy": True}, {"legacy": False}, {"add_prefix_space": False}, {"add_bos_token": False, "add_eos_token": True}):
            name = "_".join(f"{k}_{v}" for k, v in key.items()) or "no_key"
            case(f"marked_{cls}_{name}", "stories", {"added_tokens": yak, "post_processor": template("<s>", "A", ids=ids)}, config(cls, unk_token="<unk>", **key))
    # Gemma's way: spaces are marked, none is put before a text, and the cut at spaces finds none.
    gemma = {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
             "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
             "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                                                          {"type": "ByteFallback"}, {"type": "Fuse"}]}}
    for cls in ("GemmaTokenizer", FAST):
        case(f"gemma_{cls}", "stories", {**gemma, "added_tokens": yak, "post_processor": template("<s>", "A", ids=ids)},
             config(cls, {**LLAMA, "model_type": "gemma3_text"}, unk_token="<unk>", add_bos_token=True))
    # tokenizer.model alone. Texts that begin with a space: SentencePiece itself counts.
    texts = [t for t in MARKED if not t.startswith(" ")]
    decoder = {str(m): flags("zebra"), str(m + 1): flags("yak", normalized=True), str(m + 2): flags("[X]", special=True, lstrip=True, rstrip=True)}
    for key in ({"add_bos_token": True}, {"add_bos_token": False}, {"add_bos_token": True, "add_eos_token": True}, {"add_bos_token": True, "legacy": True}):
        name = "_".join(f"{k}_{v}" for k, v in key.items())
        case(f"model_{name}", "spm", {}, config("LlamaTokenizer", unk_token="<unk>", **key), texts)
        case(f"model_added_{name}", "spm", {}, config("LlamaTokenizer", unk_token="<unk>", added_tokens_decoder=decoder, **key), [*texts, "the [X] dog", "[X]the"])
    older = {"added_tokens.json": {"zebra": m, "yak": m + 1, "[X]": m + 2, "<pad>": m + 3},
             "special_tokens_map.json": {"bos_token": "<s>", "pad_token": "<pad>", "additional_special_tokens": ["[X]"]}}
    case("model_older_files", "spm", {}, {**config("LlamaTokenizer", unk_token="<unk>", add_bos_token=True), **older}, [*texts, "the [X] dog", "a <pad>b"])
    # vocab.json and merges.txt alone.
    for key in ({}, {"add_bos_token": True}, {"add_bos_token": True, "add_eos_token": True}, {"add_prefix_space": True}, {"pad_token": "<pad>"},
                {"added_tokens_decoder": {str(n): flags("zebra", normalized=True), str(n + 1): flags("<x>", special=True, lstrip=True)}}):
        name = "_".join(f"{k}_{v}" if isinstance(v, bool) else k for k, v in key.items()) or "no_key"
        case(f"pair_{name}", "pair", {}, config("GPT2Tokenizer", GPT2, unk_token="<s>", additional_special_tokens=["<mask>", "<sop>"], **key), [*TEXTS, "dog <pad>", "dog <x>"])
    case("pair_older_files", "pair", {}, {**config("GPT2Tokenizer", GPT2, unk_token="<s>"), "added_tokens.json": {"zebra": n, "<pad>": n + 1},
                                          "special_tokens_map.json": {"pad_token": "<pad>"}}, ["a zebra<pad>", "the dog"])
    return out


def stories():
    return json.loads((HERE / "stories260k_tokenizer.json").read_text())


def write_folder(path, case, bases):
    if case["base"] == "spm":
        shutil.copy(HERE / "stories260k.model", path / "tokenizer.model")
    elif case["base"] == "pair":
        model = bases["bytes"]["model"]
        (path / "vocab.json").write_text(json.dumps(model["vocab"]))
        (path / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in model["merges"]))
    else:
        (path / "tokenizer.json").write_text(json.dumps({**bases[case["base"]], **case["change"]}))
    for name, content in case["files"].items():
        (path / name).write_text(json.dumps(content))


def main():
    data = pathlib.Path(sys.argv[1])
    (HERE / "stories260k.model").write_bytes(model_proto(read_llama2c(data / "models/stories260K/tok512.bin")))
    bases = {"bytes": bytes_tokenizer(), "stories": stories()}
    sizes = {name: len(base["model"]["vocab"]) for name, base in bases.items()}
    written = []
    for case in cases(sizes):
        with tempfile.TemporaryDirectory() as folder:
            write_folder(pathlib.Path(folder), case, bases)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            case["ids"] = [tokenizer.encode(text) for text in case["texts"]]
        written.append(case)
        print(case["name"], type(tokenizer).__name__, case["ids"][0], flush=True)
    text = ",\n".join(json.dumps(case, ensure_ascii=True) for case in written)
    (HERE / "folders.json").write_text('{"bytes": %s,\n"cases": [\n%s\n]}\n' % (json.dumps(bases["bytes"]), text))


if __name__ == "__main__":
    main()
