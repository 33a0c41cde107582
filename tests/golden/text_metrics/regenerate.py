"""Writes golden.json: numbers of NLTK for llm/metrics. Usage: regenerate.py (needs nltk; NLTK 3.10 wrote the stored file).

Sentences are given as lists of words, so that the numbers do not depend on how a text is split.
"""
import json
import pathlib
import random

import nltk
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from nltk.translate.gleu_score import sentence_gleu
from nltk.util import ngrams

HERE = pathlib.Path(__file__).parent
STORIES = HERE.parents[2] / "data" / "stories" / "train.jsonl"
METHOD1 = SmoothingFunction().method1


def bleu(references, hypothesis):
    return float(sentence_bleu(references, hypothesis, smoothing_function=METHOD1))


def vary(rng, words):
    """A hypothesis that shares some n-grams with `words`."""
    words = list(words)
    for _ in range(rng.randrange(4)):
        kind = rng.randrange(4)
        place = rng.randrange(len(words)) if words else 0
        if kind == 0 and words:
            words[place] = rng.choice(words)
        elif kind == 1:
            words[place:place] = [rng.choice(["the", "a", ",", "then"])] * rng.randrange(1, 4)
        elif kind == 2 and words:
            del words[place : place + rng.randrange(1, 6)]
        else:
            words = words[place:] + words[:place]
    return words


def pairs(rng, sentences):
    fixed = [
        ([[]], []), ([["a"]], []), ([[]], ["a"]), ([["a"]], ["a"]), ([["a"]], ["b"]), ([["a", "b"]], ["a", "b"]),
        ([["a", "b", "c"]], ["c", "b", "a"]), ([["a", "b", "c", "d"]], ["a", "b", "c", "d"]),
        ([["the", "cat"]], ["the"] * 7), ([["a", "b"], ["a", "b", "c", "d"]], ["a", "b", "c"]),
        ([[], ["a"]], ["a"]), ([["a"], ["a", "b", "c", "d", "e"]], ["a", "b", "c"]),
    ]
    yield from fixed
    for _ in range(300):
        truth = rng.choice(sentences)
        hypothesis = vary(rng, truth) if rng.random() < 0.7 else rng.choice(sentences)
        references = [truth] + [vary(rng, truth) for _ in range(rng.choice([0, 0, 0, 1, 2]))]
        cut = rng.choice([None, None, None, 1, 2, 3, 5])
        yield references, hypothesis[:cut]


def ratio(samples, n):
    grams = [g for s in samples for g in ngrams(s, n)]
    return len(set(grams)) / len(grams) if grams else None


def groups(rng, sentences):
    yield [[], []]
    yield [["a"]]
    yield [["a", "b", "c", "d"], ["a", "b", "c", "d"]]
    for _ in range(40):
        truth = rng.choice(sentences)
        yield [vary(rng, truth) for _ in range(rng.randrange(2, 12))]


def main():
    rng = random.Random(20240817)
    sentences = [s.split() for line in STORIES.open() for s in json.loads(line)["sentences"]]
    out = {"nltk": nltk.__version__, "pairs": [], "groups": []}
    for references, hypothesis in pairs(rng, sentences):
        out["pairs"].append({
            "references": [" ".join(r) for r in references], "hypothesis": " ".join(hypothesis),
            "bleu": bleu(references, hypothesis), "gleu": float(sentence_gleu(references, hypothesis)),
            "edit_distance": nltk.edit_distance(references[0], hypothesis),
        })
    for samples in groups(rng, sentences):
        others = [bleu(samples[:i] + samples[i + 1 :], s) for i, s in enumerate(samples)] if len(samples) > 1 else []
        repetition = [1 - r for s in samples if (r := ratio([s], 2)) is not None]
        out["groups"].append({
            "samples": [" ".join(s) for s in samples], "distinct_1": ratio(samples, 1), "distinct_2": ratio(samples, 2),
            "self_bleu": sum(others) / len(others) if others else None,
            "repetition_2": sum(repetition) / len(repetition) if repetition else None,
        })
    lines = [f'"nltk": "{out["nltk"]}"']
    lines += [f'"{key}": [\n' + ",\n".join(json.dumps(x) for x in out[key]) + "\n]" for key in ("pairs", "groups")]
    (HERE / "golden.json").write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
