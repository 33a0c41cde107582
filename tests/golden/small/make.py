#!/usr/bin/env python3
"""Makes the project's own small language model and tokenizers from its own texts (data/stories, data/movies, data/prompts; CC0), so that
a clone alone can test everything that needs a real model: trained weights, tokenizers of every kind, and reference numbers of
independent implementations.

Run from the root of the project with the packages torch, transformers, tokenizers, sentencepiece and gguf (2.11, 5.24, 0.23, 0.2 and
0.19 when the stored files were made); some minutes of one core:
    python3 tests/golden/small/make.py

  llama/            a llama of 260 K parameters (width 64, 5 layers, 8 heads, 4 of keys, 512 tokens) as a Hugging Face folder, bfloat16,
                    with its SentencePiece BPE model (byte fallback)
  llama.gguf        the same weights and tokenizer as GGUF
  one_layer.bin     the same weights without the layers behind the first, in llama2.c's layout (float32)
  tok512.bin        the same tokenizer in llama2.c's layout
  unigram.model     a SentencePiece unigram model without byte fallback, 400 pieces
  byte_bpe/         byte-level BPE, 600 tokens, as vocab.json and merges.txt and as tokenizer.json with GPT-2's pre-tokenizer
  byte_bpe.gguf     the same as GGUF metadata
  reference.json    held-out stories: ids (sentencepiece) and log-probabilities of the model; logits behind the first of them, with all
                    layers and with the first alone (transformers, float32)

Ids by the tokenizers, of these texts and of others, are in tests/golden/tokenizer/ids.json.
"""
import contextlib
import json
import math
import pathlib
import shutil
import struct
import tempfile

import gguf
import numpy
import sentencepiece
import tokenizers
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent.parent.parent / "data"
VOCAB = 512
PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # GPT-2's, for GGUF readers


def stories(split):
    with open(DATA / "stories" / f"{split}.jsonl") as lines:
        return [" ".join(json.loads(line)["sentences"]) for line in lines]


def texts():
    movies = [json.loads(line)["text"] for line in open(DATA / "movies" / "movies.jsonl")]
    prompts = [line.rstrip("\n") for line in open(DATA / "prompts" / "prompts.txt")]
    return stories("train") + movies + prompts


def train_sentencepiece(corpus, kind, size, byte_fallback):
    with contextlib.chdir(corpus.parent):  # the model keeps the names that it is given here
        sentencepiece.SentencePieceTrainer.train(
            input=corpus.name, model_prefix=kind, vocab_size=size, model_type=kind, byte_fallback=byte_fallback,
            character_coverage=1.0, split_digits=True, normalization_rule_name="identity", num_threads=1, minloglevel=2,
            remove_extra_whitespaces=kind == "unigram")  # llama's models keep them
    return corpus.parent / f"{kind}.model"


def train_byte_bpe(folder, corpus):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=600, special_tokens=["<|endoftext|>"], show_progress=False,
                                             initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train([str(corpus)], trainer)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    tokenizer.model.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))


def batches(encoded, generator):
    """Rows [16, 96] of ids and of targets (-100 behind the end), in a new order each epoch."""
    while True:
        order = torch.randperm(len(encoded), generator=generator).tolist()
        for first in range(0, len(order) - 15, 16):
            rows = [encoded[i][:97] for i in order[first:first + 16]]
            width = max(map(len, rows))
            ids = torch.full((16, width), 2)
            targets = torch.full((16, width), -100)
            for r, row in enumerate(rows):
                ids[r, :len(row)] = torch.tensor(row)
                targets[r, :len(row)] = torch.tensor(row)
            yield ids, targets


def loss_on(model, encoded):
    total = count = 0
    with torch.no_grad():
        for row in encoded:
            ids = torch.tensor([row])
            total += model(ids, labels=ids).loss.item() * (len(row) - 1)
            count += len(row) - 1
    return total / count


def train_llama(processor):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    config = transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=172, num_hidden_layers=5, num_attention_heads=8, num_key_value_heads=4,
        max_position_embeddings=512, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
        pad_token_id=None, initializer_range=0.05)
    model = transformers.LlamaForCausalLM(config)
    encode = lambda text: [1] + processor.encode(text) + [2]
    training, validation = [encode(t) for t in texts()], [encode(t) for t in stories("validation")]
    steps, warmup = 700, 100  # the held-out loss is lowest there; longer runs overfit
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.95), weight_decay=0.3)
    best, kept = math.inf, None
    data = batches(training, generator)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.02)
        ids, targets = next(data)
        loss = model(ids, labels=targets).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 99:
            held_out = loss_on(model, validation)
            print(f"step {step + 1}: loss {loss.item():.3f}, held-out stories {held_out:.4f} nats a token", flush=True)
            if held_out < best:
                best, kept = held_out, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return model.to(torch.bfloat16)


def write_llama2c_tokenizer(processor, path):
    """max_token_length, then score, length and bytes of each piece, as llama2.c's export writes them."""
    pieces = []
    for i in range(processor.vocab_size()):
        text = processor.id_to_piece(i)
        text = {1: "\n<s>\n", 2: "\n</s>\n"}.get(i, text)
        pieces.append((processor.get_score(i), text.replace("\u2581", " ").encode()))
    with open(path, "wb") as out:
        out.write(struct.pack("<I", max(len(text) for _, text in pieces)))
        for score, text in pieces:
            out.write(struct.pack("<fI", score, len(text)) + text)


def permuted(weight, heads):
    """llama.cpp and llama2.c rotate neighbouring pairs of a head, transformers its two halves."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def write_llama2c_model(model, layers, path):
    """llama2.c's legacy export: sizes, then float32 tensors by kind, each of all layers."""
    config, tensors = model.config, model.float().state_dict()
    parts = []

    def add(name, heads=0):
        for l in range(layers):
            tensor = tensors[f"model.layers.{l}.{name}.weight"]
            parts.append(permuted(tensor, heads) if heads else tensor)

    parts.append(tensors["model.embed_tokens.weight"])
    add("input_layernorm")
    add("self_attn.q_proj", config.num_attention_heads)
    add("self_attn.k_proj", config.num_key_value_heads)
    add("self_attn.v_proj")
    add("self_attn.o_proj")
    add("post_attention_layernorm")
    for name in ["gate_proj", "down_proj", "up_proj"]:
        add("mlp." + name)
    parts.append(tensors["model.norm.weight"])
    head_dim = config.hidden_size // config.num_attention_heads
    angles = torch.outer(torch.arange(config.max_position_embeddings), 10000.0 ** (-torch.arange(0, head_dim, 2) / head_dim))
    parts += [angles.cos(), angles.sin()]
    with open(path, "wb") as out:
        out.write(struct.pack("<7i", config.hidden_size, config.intermediate_size, layers, config.num_attention_heads,
                              config.num_key_value_heads, config.vocab_size, config.max_position_embeddings))
        for part in parts:
            out.write(part.float().numpy().astype("<f4").tobytes())


def write_gguf_llama(model, processor, path):
    config = model.config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("small llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_tokenizer_model("llama")
    size = processor.vocab_size()
    kinds = [gguf.TokenType.UNKNOWN if processor.is_unknown(i) else gguf.TokenType.CONTROL if processor.is_control(i) else
             gguf.TokenType.BYTE if processor.is_byte(i) else gguf.TokenType.NORMAL for i in range(size)]
    writer.add_token_list([processor.id_to_piece(i).encode() for i in range(size)])
    writer.add_token_scores([processor.get_score(i) for i in range(size)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    parts = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
             "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    for l in range(config.num_hidden_layers):
        names |= {f"model.layers.{l}.{hf}.weight": f"blk.{l}.{name}.weight" for hf, name in parts.items()}
    for name, value in model.state_dict().items():
        if name not in names:
            continue  # the tied head
        value = value.float()
        for module, count in heads.items():
            if module in name:
                value = permuted(value, count)
        if value.dim() == 1:
            writer.add_tensor(names[name], value.numpy())
        else:
            writer.add_tensor(names[name], gguf.quants.quantize(value.numpy(), gguf.GGMLQuantizationType.BF16),
                              raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_gguf_byte_bpe(folder, path):
    vocab = json.load(open(folder / "vocab.json"))
    merges = [line.rstrip("\n") for line in open(folder / "merges.txt") if not line.startswith("#version")]
    writer = gguf.GGUFWriter(str(path), "gpt2")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([t.encode() for t in sorted(vocab, key=vocab.get)])
    writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(vocab) - 1))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def references(folder, processor):
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    scored, logits = [], []
    with torch.no_grad():
        for text in stories("test")[:8]:
            ids = [1] + processor.encode(text)
            log_p = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            scored.append({"text": text, "ids": ids, "log_p": [log_p[i, ids[i + 1]].item() for i in range(len(ids) - 1)]})
        held_out = loss_on(model, [[1] + processor.encode(t) + [2] for t in stories("test")])
        for layers in [len(model.model.layers), 1]:
            model.model.layers = model.model.layers[:layers]
            model.config.num_hidden_layers = layers
            last = model(torch.tensor([scored[0]["ids"]]), use_cache=False).logits[0, -1]
            logits.append(numpy.round(last.numpy().astype(float), 6).tolist())
    print(f"test stories: {held_out:.4f} nats a token")
    return {"scored": scored, "last_logits": logits[0], "last_logits_of_one_layer": logits[1], "test_nats_a_token": held_out}


def main():
    with tempfile.TemporaryDirectory() as temporary:
        temporary = pathlib.Path(temporary)
        corpus = temporary / "corpus.txt"
        corpus.write_text("\n".join(texts()) + "\n")
        bpe = train_sentencepiece(corpus, "bpe", VOCAB, True)
        shutil.copy(train_sentencepiece(corpus, "unigram", 400, False), HERE / "unigram.model")
        train_byte_bpe(HERE / "byte_bpe", corpus)
        processor = sentencepiece.SentencePieceProcessor(model_file=str(bpe))
        model = train_llama(processor)
        folder = HERE / "llama"
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        shutil.copy(bpe, folder / "tokenizer.model")
        (folder / "tokenizer_config.json").write_text(json.dumps(
            {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>",
             "unk_token": "<unk>", "legacy": False}, indent=1) + "\n")
    write_llama2c_tokenizer(processor, HERE / "tok512.bin")
    write_gguf_llama(model, processor, HERE / "llama.gguf")
    write_llama2c_model(model, 1, HERE / "one_layer.bin")
    write_gguf_byte_bpe(HERE / "byte_bpe", HERE / "byte_bpe.gguf")
    (HERE / "reference.json").write_text(json.dumps(references(folder, processor)) + "\n")


if __name__ == "__main__":
    main()
