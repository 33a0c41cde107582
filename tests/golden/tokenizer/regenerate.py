#!/usr/bin/env python3
"""Writes the golden files of llm/tokenizer from independent implementations: PyPI tokenizers, sentencepiece and gguf.

usage: regenerate.py SHARED_DATA SMOLLM2_GGUF      (SHARED_DATA: the folder with text/, models/, tokenizers/)

Tokenizers and texts are the project's own (tests/golden/small, data/) and others', which are not copied into the project.

  ids.json                     hashes of the ids of corpus lines and of the edge cases, by tokenizer: strings of 16 hexadecimal
                               digits a chunk of lines or a special text, 8 (the low half) an edge case; skipped_lines are the
                               lines that a unigram model may cut in two equally good ways; corpora: the own and the others'
  edge_cases.json              texts with Unicode, emoji, odd white space, bytes that are not UTF-8
  stories260k_tokenizer.json   the vocabulary of models/stories260K as Hugging Face writes llama tokenizers
  stories260k.gguf             the same as GGUF metadata
"""
import json
import pathlib
import struct
import sys

import gguf
import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

import edge_cases

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
SMALL = HERE.parent / "small"
CHUNK = 250  # lines a hash
OWN_CORPORA = [  # file, lines taken
    ("data/stories/train.jsonl", 240),
    ("data/stories/validation.jsonl", 32),
    ("data/stories/test.jsonl", 48),
    ("data/movies/movies.jsonl", 400),
    ("data/prompts/prompts.txt", 300),
]
OTHERS_CORPORA = [
    ("text/tinystories/tinystories_train_head_2MiB.txt", 5000),
    ("text/tinystories/decoding-gpt_tinystories_10k.txt", 3000),
    ("text/kids_stories.jsonl", 250),
    ("text/tinyshakespeare.txt", 5000),
    ("text/botchan.txt", 4000),
    ("text/stories/part_a.jsonl", 160),
    ("text/openwebtext_prompts.txt", 9999),
]
UNIGRAM = ["spm_test", "spm_test_ja", "small_unigram"]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def byte_alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}


ALPHABET = byte_alphabet()


def runs(data):
    """(is text, bytes) for the maximal runs of well-formed UTF-8 and of other bytes."""
    chars = data.decode("utf-8", "surrogateescape")
    begin = 0
    for i in range(1, len(chars) + 1):
        bad = "\udc80" <= chars[begin] <= "\udcff"
        if i == len(chars) or ("\udc80" <= chars[i] <= "\udcff") != bad:
            yield not bad, chars[begin:i].encode("utf-8", "surrogateescape")
            begin = i


class ByteLevel:
    """tokenizers, with runs of other bytes as words of their own."""

    def __init__(self, vocab, merges, pre_tokenizer, normalizer=None):
        self.model = models.BPE(vocab, merges)
        self.tokenizer = Tokenizer(self.model)
        self.tokenizer.pre_tokenizer = pre_tokenizer
        self.tokenizer.decoder = decoders.ByteLevel()
        if normalizer:
            self.tokenizer.normalizer = normalizer

    def encode(self, data):
        ids = []
        for is_text, part in runs(data):
            if is_text:
                ids += self.tokenizer.encode(part.decode(), add_special_tokens=False).ids
            else:
                ids += [t.id for t in self.model.tokenize("".join(ALPHABET[b] for b in part))]
        return ids


class SentencePiece:
    """sentencepiece, with runs of other bytes as byte pieces or the unknown piece."""

    def __init__(self, proto):
        self.front = sentencepiece.SentencePieceProcessor(model_proto=proto)
        # normalizer_spec.add_dummy_prefix = false, merged into the message
        self.middle = sentencepiece.SentencePieceProcessor(model_proto=proto + b"\x1a\x02\x18\x00")
        self.trims = self.front.encode("  ") == []

    def encode(self, data, middle=False):
        ids = []
        for is_text, part in runs(data):
            if is_text:
                keeps_space = self.trims and part.startswith(b" ")
                ids += (self.middle if middle and not keeps_space else self.front).encode(part.decode())
            elif self.front.is_byte(self.front.piece_to_id("<0x00>")):
                ids += [self.front.piece_to_id("<0x%02X>" % b) for b in part]
            else:
                ids.append(self.front.unk_id())
            middle = True
        return ids


    def is_ambiguous(self, data):
        """Two segmentations have the same score up to rounding ("000" as "0", "00" or "00", "0"): versions differ."""
        for part in (part.decode() for is_text, part in runs(data) if is_text):
            scores = [sum(map(self.front.get_score, ids)) for ids in self.front.nbest_encode(part, nbest_size=2)]
            if len(scores) > 1 and abs(scores[0] - scores[1]) < 2e-3:
                return True
        return False


class Plain:
    """A tokenizers.Tokenizer for text that is UTF-8 as a whole."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def encode(self, data):
        return self.tokenizer.encode(data.decode(), add_special_tokens=False).ids


def read_llama2c(path):
    data, pos, tokens = path.read_bytes(), 4, []
    while pos < len(data):
        score, length = struct.unpack_from("<fi", data, pos)
        tokens.append((data[pos + 8:pos + 8 + length], score))
        pos += 8 + length
    return tokens


def kind_of(i, text):  # SentencePiece.Type
    return 2 if i == 0 else 3 if i < 3 else 6 if len(text) == 6 and text.startswith(b"<0x") else 1


def model_proto(tokens):
    """llama2.c's tokens as a SentencePiece BPE model with an identity normaliser that keeps white space."""
    def varint(n):
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)

    def message(field, content):
        return varint(field << 3 | 2) + varint(len(content)) + content

    out = b""
    for i, (text, score) in enumerate(tokens):
        kind = kind_of(i, text)
        piece = text.strip(b"\n") if kind == 3 else text.replace(b" ", "▁".encode())
        out += message(1, message(1, piece) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind]))
    has_bytes = any(kind_of(i, t) == 6 for i, (t, _) in enumerate(tokens))
    out += message(2, b"\x18\x02" + varint(35 << 3) + bytes([has_bytes]))
    return out + message(3, message(1, b"identity") + b"\x18\x01\x20\x00")


def naive_llama2c(tokens, text):
    """The algorithm of llama2.c and sentencepiece, by strings and as simply as possible."""
    score = {t.decode(): s for i, (t, s) in enumerate(tokens) if kind_of(i, t) == 1}
    ids = {t: i for i, (t, _) in enumerate(tokens)}
    symbols = list(" " + text) if text else []
    while True:
        pairs = [(-score[a + b], i) for i, (a, b) in enumerate(zip(symbols, symbols[1:])) if a + b in score]
        if not pairs:
            break
        i = min(pairs)[1]
        symbols[i:i + 2] = [symbols[i] + symbols[i + 1]]
    out = []
    for s in symbols:
        if s in score:
            out.append(ids[s.encode()])
        elif b"<0x00>" in ids:
            out += [ids[b"<0x%02X>" % b] for b in s.encode()]
        elif not out or out[-1] != 0:
            out.append(0)
    return out


def hugging_face_llama(tokens):
    """As transformers converts a llama SentencePiece model to tokenizer.json."""
    def written(i, text):
        return (text.strip(b"\n") if i < 3 else text.replace(b" ", "▁".encode())).decode()

    vocab = {written(i, t): i for i, (t, _) in enumerate(tokens)}
    merges = []
    for i, (text, score) in enumerate(tokens):
        piece = written(i, text)
        if kind_of(i, text) != 1:
            continue
        local = [(vocab[piece[:k]], vocab[piece[k:]], piece[:k], piece[k:]) for k in range(1, len(piece))
                 if piece[:k] in vocab and piece[k:] in vocab]
        merges += [(-score, *pair) for pair in sorted(local)]
    merges.sort(key=lambda m: m[0])
    tokenizer = Tokenizer(models.BPE(vocab, [(m[3], m[4]) for m in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def write_gguf(tokens, path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([(t.strip(b"\n") if i < 3 else t.replace(b" ", "▁".encode())) for i, (t, _) in enumerate(tokens)])
    writer.add_token_scores([s for _, s in tokens])
    writer.add_token_types([kind_of(i, t) for i, (t, _) in enumerate(tokens)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def smollm2(path):
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    kinds = fields["tokenizer.ggml.token_type"].contents()
    assert fields["tokenizer.ggml.pre"].contents() == "smollm"
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return ByteLevel({t: i for i, t in enumerate(tokens)}, merges, pre), [t for t, k in zip(tokens, kinds) if k == 3]


def hash_ids(lists):
    h = 0xCBF29CE484222325  # FNV-1a with an id for a byte, and ffffffff behind each line
    for ids in lists:
        for i in [*ids, 0xFFFFFFFF]:
            h = (h ^ i) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return "%016x" % h


def main():
    data, smollm2_path = pathlib.Path(sys.argv[1]), sys.argv[2]
    gpt2_vocab = json.loads((data / "tokenizers/gpt2/encoder.json").read_text())
    gpt2_merges = [tuple(m.split(" ")) for m in (data / "tokenizers/gpt2/vocab.bpe").read_text().split("\n")[1:] if m]

    own_vocab = json.loads((SMALL / "byte_bpe/vocab.json").read_text())
    own_merges = [tuple(m.split(" ")) for m in (SMALL / "byte_bpe/merges.txt").read_text().split("\n")[1:] if m]

    def by_pattern(vocab, merges, pattern, normalizer=None):
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        pre = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        return ByteLevel(vocab, merges, pre, normalizer)

    stories = read_llama2c(data / "models/stories260K/tok512.bin")
    hf_llama = hugging_face_llama(stories)
    (HERE / "stories260k_tokenizer.json").write_text(hf_llama.to_str(pretty=False), encoding="utf-8")
    hf_llama.encode_special_tokens = True  # as plain text
    metaspace = Tokenizer.from_str(hf_llama.to_str())
    metaspace.normalizer = normalizers.Sequence([])
    metaspace.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    metaspace.encode_special_tokens = True
    write_gguf(stories, HERE / "stories260k.gguf")
    smollm2_reference, smollm2_special = smollm2(smollm2_path)

    references = {
        "gpt2": ByteLevel(gpt2_vocab, gpt2_merges, pre_tokenizers.ByteLevel(add_prefix_space=False)),
        "gpt2_llama_bpe": by_pattern(gpt2_vocab, gpt2_merges, LLAMA3),
        "gpt2_qwen2": by_pattern(gpt2_vocab, gpt2_merges, QWEN2, normalizers.NFC()),
        "small_byte_bpe": ByteLevel(own_vocab, own_merges, pre_tokenizers.ByteLevel(add_prefix_space=False)),
        "small_llama_bpe": by_pattern(own_vocab, own_merges, LLAMA3),
        "small_qwen2": by_pattern(own_vocab, own_merges, QWEN2, normalizers.NFC()),
        "small_model": SentencePiece((SMALL / "llama/tokenizer.model").read_bytes()),
        "small_bin": SentencePiece(model_proto(read_llama2c(SMALL / "tok512.bin"))),
        "small_unigram": SentencePiece((SMALL / "unigram.model").read_bytes()),
        "smollm2": smollm2_reference,
        "llama2": SentencePiece((data / "tokenizers/llama2/tokenizer.model").read_bytes()),
        "tinystories4096": SentencePiece((data / "tokenizers/tinystories4096/tok4096.model").read_bytes()),
        "spm_test": SentencePiece((data / "tokenizers/spm_test/test_model.model").read_bytes()),
        "spm_test_ja": SentencePiece((data / "tokenizers/spm_test/test_ja_model.model").read_bytes()),
        "tok105_model": SentencePiece((data / "models/babyllama_tok105/tok105.model").read_bytes()),
        "tok105_bin": SentencePiece(model_proto(read_llama2c(data / "models/babyllama_tok105/tok105.bin"))),
        "tok361_bin": SentencePiece(model_proto(read_llama2c(data / "models/babyllama_tok361/tok361.bin"))),
        "tok512_bin": SentencePiece(model_proto(stories)),
        "stories260k_json": Plain(hf_llama),
        "stories260k_metaspace": Plain(metaspace),
    }
    golden = {"chunk_lines": CHUNK, "corpora": {}, "corpus_hashes": {}, "skipped_lines": {}, "edge_hashes": {}, "special_hashes": {},
              "continuation_hashes": {}}
    lines = {}
    for group, folder, files in [("own", ROOT, OWN_CORPORA), ("others", data, OTHERS_CORPORA)]:
        golden["corpora"][group], lines[group] = [], []
        for name, count in files:
            part = (folder / name).read_bytes().split(b"\n")[:count]
            golden["corpora"][group].append({"file": name, "lines": len(part)})
            lines[group] += part
    cases = edge_cases.all_cases()
    (HERE / "edge_cases.json").write_text(json.dumps([c.hex() for c in cases], indent=0) + "\n")
    def edge_hashes(name, **options):
        """One string of 8 digits a case; dashes where the reference has no answer."""
        out = ""
        for case in cases:
            # transformers' kind takes no other bytes; llama2.c's files hold plain spaces and know no mark U+2581.
            answers = all(is_text for is_text, _ in runs(case)) if name.startswith("stories260k") else True
            answers = answers and not (name.endswith("_bin") and "▁".encode() in case)
            answers = answers and not (name in UNIGRAM and references[name].is_ambiguous(case))
            out += hash_ids([references[name].encode(case, **options)])[8:] if answers else "-" * 8
        return out

    for name, reference in references.items():
        golden["skipped_lines"][name], golden["corpus_hashes"][name] = {}, {}
        for group, part in lines.items():
            skipped = {i for i, line in enumerate(part) if name in UNIGRAM and reference.is_ambiguous(line)}
            chunks = [range(begin, min(begin + CHUNK, len(part))) for begin in range(0, len(part), CHUNK)]
            golden["skipped_lines"][name][group] = sorted(skipped)
            golden["corpus_hashes"][name][group] = "".join(
                hash_ids(reference.encode(part[i]) for i in chunk if i not in skipped) for chunk in chunks)
        golden["edge_hashes"][name] = edge_hashes(name)
        print(name, golden["corpus_hashes"][name]["own"][:16], flush=True)
    for name in ["llama2", "tok512_bin", "tok105_bin", "small_model", "small_bin"]:
        golden["continuation_hashes"][name] = edge_hashes(name, middle=True)

    for path in [data / "models/stories260K/tok512.bin", data / "models/babyllama_tok105/tok105.bin", SMALL / "tok512.bin"]:
        tokens = read_llama2c(path)
        reference = SentencePiece(model_proto(tokens))
        for text in [l.decode() for l in lines["others"][:200]] + [c.decode() for c in cases if all(t for t, _ in runs(c)) and "▁" not in c.decode()]:
            assert naive_llama2c(tokens, text) == reference.encode(text.encode()), (path, text)

    # Special tokens parsed out of a text.
    smollm2_reference.tokenizer.add_special_tokens(smollm2_special)
    hf_llama.encode_special_tokens = False
    metaspace.encode_special_tokens = False
    golden["special_hashes"]["smollm2"] = [hash_ids([smollm2_reference.tokenizer.encode(t).ids]) for t in edge_cases.SPECIAL]
    golden["special_hashes"]["stories260k_json"] = [hash_ids([hf_llama.encode(t, add_special_tokens=False).ids]) for t in edge_cases.SPECIAL]
    golden["special_hashes"]["stories260k_metaspace"] = [hash_ids([metaspace.encode(t, add_special_tokens=False).ids]) for t in edge_cases.SPECIAL]
    golden["special_texts"] = edge_cases.SPECIAL
    golden["special_hashes"] = {name: "".join(hashes) for name, hashes in golden["special_hashes"].items()}
    (HERE / "ids.json").write_text(json.dumps(golden, indent=0).replace(",\n", ", ") + "\n")


if __name__ == "__main__":
    main()
