// The parts: UTF-8, normalisation, the byte alphabet, pre-tokenisers, merging, hash tables.
#include <random>

#include "gflownet/base/text_util.h"
#include "gtest/gtest.h"
#include "llm/tokenizer/bpe_merge.h"
#include "llm/tokenizer/byte_alphabet.h"
#include "llm/tokenizer/nfc.h"
#include "llm/tokenizer/pre_tokenizer.h"
#include "llm/tokenizer/test_tokenizers.h"
#include "llm/tokenizer/token_table.h"
#include "llm/tokenizer/utf8.h"
#include "llm/tokenizer/vocabulary.h"

namespace gfn::test {
namespace {

TEST(Utf8, EveryCharacterGoesThereAndBack) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c == 0xD800) c = 0xE000;  // surrogates are no characters
    std::string text;
    AppendUtf8(c, &text);
    ASSERT_EQ(Utf8CharLength(text), text.size()) << static_cast<uint32_t>(c);
    ASSERT_EQ(Utf8CharLength(text + "x"), text.size());
    for (size_t cut = 1; cut < text.size(); ++cut) ASSERT_EQ(Utf8CharLength(text.substr(0, cut)), 0u);
    size_t pos = 0;
    ASSERT_EQ(NextUtf8Char(text, &pos), c);
    ASSERT_EQ(pos, text.size());
  }
}

TEST(Utf8, WhatIsNotWellFormed) {
  for (const char* text : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                           "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(Utf8CharLength(text), 0u);
  }
}

TEST(Utf8, RunsCoverTheText) {
  const std::string text = "abcdefghij\xC3\xA9\xFF\xC3x";
  size_t pos = 0;
  const Utf8Run first = NextUtf8Run(text, &pos), second = NextUtf8Run(text, &pos), third = NextUtf8Run(text, &pos);
  EXPECT_TRUE(first.well_formed);
  EXPECT_EQ(first.bytes, "abcdefghij\xC3\xA9");
  EXPECT_FALSE(second.well_formed);
  EXPECT_EQ(second.bytes, "\xFF\xC3");
  EXPECT_EQ(third.bytes, "x");
  EXPECT_EQ(pos, text.size());
}

TEST(ByteAlphabet, IsGpt2s) {
  std::string all;
  for (int b = 0; b < 256; ++b) all.push_back(static_cast<char>(b));
  EXPECT_EQ(BytesOfAlphabet(AlphabetOfBytes(all)), all);
  EXPECT_EQ(AlphabetOfBytes(" a\n\xC2\xAD\xFF"), "\u0120a\u010A\u00C2\u0143\u00FF");
  EXPECT_EQ(BytesOfAlphabet(" "), std::nullopt);
  EXPECT_EQ(BytesOfAlphabet("\u4f60"), std::nullopt);
  EXPECT_EQ(BytesOfAlphabet("\xFF"), std::nullopt);
}

// Unicode Standard Annex 15, tables and figures.
TEST(Nfc, ComposesAndOrders) {
  EXPECT_EQ(ToNfc("A\u030A \u212B \u00C5"), "\u00C5 \u00C5 \u00C5");
  EXPECT_EQ(ToNfc("s\u0307\u0323"), "\u1E69");
  EXPECT_EQ(ToNfc("\u1E0B\u0323"), "\u1E0D\u0307");
  EXPECT_EQ(ToNfc("q\u0307\u0323"), "q\u0323\u0307");
  EXPECT_EQ(ToNfc("\u1112\u1161\u11AB \uAC00\u11A8"), "\uD55C \uAC01");
  EXPECT_EQ(ToNfc("\u0958 \uFB1D \u2126 \uF900"),
            "\u0915\u093C \u05D9\u05B4 \u03A9 \u8C48");  // excluded compositions, singletons
  EXPECT_EQ(ToNfc("a\u0301\u0301 \u0301"), "\u00E1\u0301 \u0301");
  EXPECT_EQ(ToNfc(""), "");
  EXPECT_TRUE(IsSurelyNfc("plain \u00E9"));
  EXPECT_FALSE(IsSurelyNfc("e\u0301"));
  for (const std::string& text : EdgeCases()) {
    if (FindInvalidUtf8(text)) continue;
    EXPECT_EQ(ToNfc(ToNfc(text)), ToNfc(text));
  }
}

std::vector<std::string_view> SplitBy(PreTokenizerKind kind, std::string_view text) {
  std::vector<std::string_view> words;
  PreTokenizer(kind).Split(text, &words);
  return words;
}

using Words = std::vector<std::string_view>;

TEST(PreTokenizer, CutsAsItsRuleSays) {
  EXPECT_EQ(SplitBy(PreTokenizerKind::kGpt2, "I'll pay  12 $5.\n\n x"),
            (Words{"I", "'ll", " pay", " ", " 12", " $", "5", ".", "\n\n", " x"}));
  EXPECT_EQ(SplitBy(PreTokenizerKind::kSmollm, "in  12 y  x"), (Words{"in", "  ", "1", "2", " y", " ", " x"}));
  EXPECT_EQ(SplitBy(PreTokenizerKind::kLlamaBpe, "I'LL pay 12345 x,\n\n y"),
            (Words{"I", "'LL", " pay", " ", "123", "45", " x", ",\n\n", " y"}));
  EXPECT_EQ(SplitBy(PreTokenizerKind::kQwen2, "a 12"), (Words{"a", " ", "1", "2"}));
  EXPECT_EQ(SplitBy(PreTokenizerKind::kGpt2, ""), Words{});
}

TEST(PreTokenizer, LongRunsAreNoTrouble) {
  for (const PreTokenizerKind kind :
       {PreTokenizerKind::kGpt2, PreTokenizerKind::kSmollm, PreTokenizerKind::kLlamaBpe, PreTokenizerKind::kQwen2}) {
    for (const char* unit : {" ", "\n", "a", "!", "\u00e9", "\u3000", "'", " \n"}) {
      std::string text;
      while (text.size() < 1000000) text += unit;
      size_t covered = 0;
      for (const std::string_view word : SplitBy(kind, text + "x")) covered += word.size();
      EXPECT_EQ(covered, text.size() + 1);
    }
  }
}

TEST(PreTokenizer, NamesOfGgufFiles) {
  EXPECT_EQ(*PreTokenizerFromGgufName("gpt-2", "f"), PreTokenizerKind::kGpt2);
  EXPECT_EQ(*PreTokenizerFromGgufName("llama3", "f"), PreTokenizerKind::kLlamaBpe);
  // The same pattern, but merges count and no bos is put before a text.
  for (const char* name : {"dbrx", "smaug-bpe"}) {
    EXPECT_EQ(*PreTokenizerFromGgufName(name, "f"), PreTokenizerKind::kLlamaBpe);
    EXPECT_FALSE(IsLlama3Name(name));
  }
  for (const char* name : {"llama-bpe", "llama3", "falcon3"}) EXPECT_TRUE(IsLlama3Name(name)) << name;
  EXPECT_FALSE(IsLlama3Name("qwen2"));
  EXPECT_NE(Message(PreTokenizerFromGgufName("x", "f").status())
                .find("f: unknown pre-tokeniser 'x'; known ones: gpt2, smollm, llama-bpe, qwen2"),
            std::string::npos);
}

TEST(BpeMerge, ScanAndHeapAgreeWithTheDefinition) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 3000; ++round) {
    MergeTable merges(4);
    const int num_merges = static_cast<int>(random() % 60);
    for (int i = 0; i < num_merges; ++i) {  // ranks repeat, so that the leftmost of equals matters
      const int32_t a = static_cast<int32_t>(random() % 12), b = static_cast<int32_t>(random() % 12);
      merges.Insert(a, b, {static_cast<int32_t>(random() % 20), static_cast<int32_t>(random() % 12)});
    }
    std::vector<int32_t> symbols(random() % 49);
    for (int32_t& s : symbols) s = static_cast<int32_t>(random() % 13);
    std::vector<int32_t> scanned = symbols, heaped = symbols, defined = symbols;
    MergeByScan(merges, &scanned);
    MergeByHeap(merges, &heaped);
    while (true) {
      size_t best = 0;
      int32_t rank = MergeTable::kNoRank;
      for (size_t i = 0; i + 1 < defined.size(); ++i) {
        if (const int32_t r = merges.Find(defined[i], defined[i + 1]).rank; r < rank) rank = r, best = i;
      }
      if (rank == MergeTable::kNoRank) break;
      defined[best] = merges.Find(defined[best], defined[best + 1]).id;
      defined.erase(defined.begin() + static_cast<int64_t>(best) + 1);
    }
    ASSERT_EQ(scanned, defined);
    ASSERT_EQ(heaped, defined);
  }
}

TEST(TokenTables, KeepTheFirstAndGrow) {
  std::vector<std::string> texts;
  for (int i = 0; i < 5000; ++i) texts.push_back(std::string(static_cast<size_t>(i % 20), '\0') + std::to_string(i));
  TokenTable tokens(0);
  MergeTable merges(0);
  for (int32_t i = 0; i < 5000; ++i) {
    EXPECT_TRUE(tokens.Insert(texts[i], i));
    EXPECT_FALSE(tokens.Insert(texts[i], i + 1));
    EXPECT_TRUE(merges.Insert(i, i * 7, {i, i + 1}));
    EXPECT_FALSE(merges.Insert(i, i * 7, {0, 0}));
  }
  for (int32_t i = 0; i < 5000; ++i) {
    EXPECT_EQ(tokens.Find(texts[i]), i);
    EXPECT_EQ(merges.Find(i, i * 7).id, i + 1);
  }
  EXPECT_EQ(tokens.Find("x"), -1);
  EXPECT_EQ(merges.Find(3, 5).rank, MergeTable::kNoRank);
}

TEST(ByteTokens, AreParsed) {
  EXPECT_EQ(ParseByteToken("<0x0A>"), 10);
  EXPECT_EQ(ParseByteToken("<0xfF>"), 255);
  for (const char* text : {"", "<0x0A", "<0x0G>", "<0x00A>", "0x0A>", "<1x0A>"}) EXPECT_EQ(ParseByteToken(text), std::nullopt);
}

}  // namespace
}  // namespace gfn::test
