"""Texts that tokenizers get wrong: see regenerate.py."""
import random

WRITTEN = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", "\t", "\t\t x", "\r\n", "a\r\nb\r\n\r\nc", "a", " a", "  a", "a ", "a  ", "a   b",
    "Hello, world!", " Hello", "Hello  world", "Hello\tworld", "trailing   ", "   leading", "\n\n\nthree", "x\n\n\n y", "x \n \n y",
    "I'm you're he's we'll they'd I've don't", "I'M YOU'RE HE'S WE'LL THEY'D I'VE DON'T", "'s't're've'm'll'd", "''s", "it''s", "' s",
    "rock 'n' roll", "o'clock 'tis 'twas", "'\u017f and '\u212a", "can\u2019t won\u2019t",
    "1", "12", "123", "1234", "12345", "1 2  3   4", " 1", "  12", "   123 ", "a1b22c333", "3.14159", "1,000,000", "$5.99", "50%",
    "\u0661\u0662\u0663", "\u2167 \u2168", "x\u00b2 + y\u00b3 = \u00bd", "\u0967\u0968 \u0969", "1\u20442", "2024-01-31T23:59:59Z",
    "na\u00efve caf\u00e9 fa\u00e7ade", "nai\u0308ve cafe\u0301 fac\u0327ade", "\u00c5ngstr\u00f6m \u212bngstr\u00f6m A\u030angstro\u0308m",
    "\u1e69 \u1e61\u0323 s\u0323\u0307 s\u0307\u0323", "\u0344 \u0958 \u2adc \ufb1d \U0001d15e", "\uac00\uac01 \u1100\u1161\u11a8 \ud7a3",
    "\u03b1\u03b2\u03b3 \u0394\u0395\u0396", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u4f60\u597d\uff0c\u4e16\u754c\u3002",
    "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c", "\u30ab\u3099\u30ad\u3099 \uff76\uff9e", "\uc548\ub155\ud558\uc138\uc694", "\u0634\u0643\u0631\u0627 \u062c\u0632\u064a\u0644\u0627",
    "\u05e9\u05dc\u05d5\u05dd", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "ti\u1ebfng Vi\u1ec7t", "\u1780\u17d2\u1798\u17c2\u179a",
    "\U0001f600", "\U0001f600\U0001f601 \U0001f602", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",
    "\U0001f44d\U0001f3fd ok\U0001f44c", "\u2764\ufe0f \u263a\ufe0f \u2603", "\u00a9\u00ae\u2122", "\u2026\u2014\u2013\u201cquoted\u201d\u2018x\u2019",
    "a\u00a0b\u00a0\u00a0c", "a\u2003b\u2003 \u2003c", "a\u200bb\u200b c", "\ufeffBOM", "a\u3000b\u3000 c", "a\u0085b\u0085 c", "a\u180eb \u180e c", "a\u2028b\u2029 c",
    "a\u000bb\u000cc \u000b d", "a\u001cb \u001d\u001e\u001f c", "\u202fx\u205fy\u1680z", "tab\tand  two\t\tspaces \t mixed",
    "\u0000", "a\u0000b", "\u0001\u0002\u0003\u0007\u0008\u000e\u001b\u007f", "x\u0004y \u0006z\u0013\u0014 \u0016 \u001d", "\u0080\u0081\u009f\u00ad",
    "\u2581", "a\u2581b", " \u2581 ", "\u2581\u2581Hello", "\u0120the\u010a", "\u0122\u0143",
    "<s>", "</s>", "<unk>", "<0x0A>", "<|endoftext|>", "a<|endoftext|>b", "<|im_start|>user\nHi<|im_end|>\n", "[PAD]",
    "http://example.com/a?b=c&d=e#f", "user@example.com", "C:\\dir\\file.txt", "/usr/bin/env", "{\"k\": [1, 2, {\"v\": null}]}",
    "def f(x):\n    return x**2\n\n\nclass A:\n\tpass\n", "for (int i = 0; i < n; ++i) { a[i] += 1; }", "<b>bold</b><br/>",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ab" * 60, "-" * 100, "=" * 33 + " " * 33,
    " " * 100, " " * 65 + "x", "\n" * 40, "\n " * 20, ". " * 30, "!?" * 30, "supercalifragilisticexpialidocious" * 3,
    "ALLCAPS MixedCase camelCase snake_case kebab-case", "The quick brown fox jumps over the lazy dog.", "e.g. i.e. etc. U.S.A. Ph.D.",
    "\ue000\uf8ff \ufdd0\uffff\ufffd", "\U000e0001\U000e0041 \U0010ffff \U000f0000 \U00040000", "\u0378 \u0530 \u2fe0", "z\u0351\u0310\u030b\u034aa\u0322l\u0334g\u0321o\u0329",
]

SPECIAL = [
    "", "<s>", "</s>", "<s>Hello</s>", "<s> Hello </s> world", "Hello<s>", "<s><s>", "a</s>b<unk>c", "<unk> x", "< s>", "<|endoftext|>",
    "<|im_start|>system\nYou are a helpful AI assistant.<|im_end|>\n<|im_start|>user\nWhat is 12 + 345?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|", "<<|im_end|>>", "x <|im_end|> y", "<repo_name><file_sep>", "<|im_start|><|im_end|><|endoftext|>", "\u00e9<|im_end|>\u00e9",
]

INVALID = [
    "ff", "c3", "61c3", "c361", "e282", "e28261", "61e282ac62", "f09f98", "f09f9880f09f", "80", "8080", "61808062", "c0af", "e08080", "eda080",
    "edb080", "f4908080", "f8888080", "fe20ff", "20ff20", "ff20ff", "ffffff", "48656cff6c6f", "48656c6c6f20ff776f726c64", "ff48656c6c6f",
    "ff2048656c6c6f", "48656c6c6fff", "c3a9ffc3a9", "e38182ffe38184", "0aff0a", "ff00ff", "c1bf", "f5808080", "61ffc0c1f5fe62", "e2ff82ac",
]

BLOCKS = [  # (first, last) of code points to draw from
    (0x20, 0x7E), (0x20, 0x7E), (0x20, 0x7E), (0x09, 0x0D), (0x20, 0x20), (0x30, 0x39), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF),
    (0x900, 0xDFF), (0x1E00, 0x206F), (0x2070, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFFEF), (0x1D400, 0x1D7FF),
    (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF),
]


def random_text(rng):
    text = ""
    for _ in range(rng.randint(1, 8)):
        first, last = rng.choice(BLOCKS)
        for _ in range(rng.randint(1, 6)):
            text += chr(rng.randint(first, last))
        text += rng.choice(["", "", " ", "  ", "\n"])
    return text


def all_cases():
    """Every case as bytes."""
    rng = random.Random(1)
    cases = [t.encode() for t in WRITTEN] + [bytes.fromhex(t) for t in INVALID]
    cases += [random_text(rng).encode() for _ in range(100)]
    for _ in range(40):  # texts with bytes overwritten
        text = bytearray(random_text(rng).encode())
        for _ in range(rng.randint(1, 3)):
            text[rng.randrange(len(text))] = rng.randrange(256)
        cases.append(bytes(text))
    return cases
