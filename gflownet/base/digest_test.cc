#include "gflownet/base/digest.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

// Bytes 0, 1, .. mod 251 and their XXH64 by the reference implementation (python package xxhash).
std::vector<std::byte> Pattern(size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i % 251);
  return bytes;
}

TEST(Xxh64Test, KnownAnswers) {
  EXPECT_EQ(HashText(""), 0xef46db3751d8e999u);
  EXPECT_EQ(HashText("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(HashText("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(HashBytes(Pattern(1)), 0xe934a84adb052768u);
  EXPECT_EQ(HashBytes(Pattern(3)), 0xe5c7bb4533bc65ddu);
  EXPECT_EQ(HashBytes(Pattern(4)), 0xffced8604453cc1eu);
  EXPECT_EQ(HashBytes(Pattern(5)), 0xdd0274386e26030cu);
  EXPECT_EQ(HashBytes(Pattern(8)), 0x884a173614b81b8du);
  EXPECT_EQ(HashBytes(Pattern(9)), 0x67d85784a7c78c5bu);
  EXPECT_EQ(HashBytes(Pattern(31)), 0xc346d2b59b4d8ee1u);
  EXPECT_EQ(HashBytes(Pattern(32)), 0xcbf59c5116ff32b4u);
  EXPECT_EQ(HashBytes(Pattern(33)), 0x0c535d1acafb8eadu);
  EXPECT_EQ(HashBytes(Pattern(63)), 0xe26aa9e2a95f8e4fu);
  EXPECT_EQ(HashBytes(Pattern(64)), 0xf7c67301db6713f0u);
  EXPECT_EQ(HashBytes(Pattern(100)), 0x6ac1e58032166597u);
  EXPECT_EQ(HashBytes(Pattern(1000)), 0xf306f04aa88b54d3u);
  EXPECT_EQ(HashBytes(Pattern(4096)), 0x122a8c8d994ad3ecu);
}

TEST(Xxh64Test, PiecesGiveTheSameHash) {
  const std::vector<std::byte> bytes = Pattern(300);
  for (const size_t piece : {1, 3, 7, 31, 32, 33, 64, 299}) {
    Xxh64 hash;
    for (size_t i = 0; i < bytes.size(); i += piece) {
      hash.Update(std::span(bytes).subspan(i, std::min(piece, bytes.size() - i)));
      (void)hash.Finish();  // looking does not disturb
    }
    EXPECT_EQ(hash.Finish(), HashBytes(bytes)) << "pieces of " << piece;
  }
}

TEST(DigestTest, IsStable) {
  EXPECT_EQ(Digest().value(), HashText(""));
  EXPECT_EQ(DigestToHex(Digest().String("x").Int(-1).Bool(true).Real(0.5).Ints(std::vector<int64_t>{1, 2}).value()),
            "0412bfbc4559e930");
}

TEST(DigestTest, DifferentSequencesDiffer) {
  const std::vector<uint64_t> digests = {
      Digest().value(),
      Digest().String("").value(),
      Digest().String("abc").value(),
      Digest().String("ab").String("c").value(),
      Digest().String("a").String("bc").value(),
      Digest().Int(1).value(),
      Digest().Bool(true).value(),
      Digest().Real(1).value(),
      Digest().Int(1).Int(2).value(),
      Digest().Int(2).Int(1).value(),
      Digest().Ints(std::vector<int64_t>{1, 2}).value(),
      Digest().Ints(std::vector<int64_t>{1}).Ints(std::vector<int64_t>{2}).value(),
      Digest().Bytes(std::as_bytes(std::span("abc", 3))).value(),
  };
  for (size_t i = 0; i < digests.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(digests[i], digests[j]) << i << " and " << j;
  }
}

TEST(DigestTest, RealsAreCanonical) {
  EXPECT_EQ(Digest().Real(0.0).value(), Digest().Real(-0.0).value());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Digest().Real(nan).value(), Digest().Real(-nan).value());
  EXPECT_NE(Digest().Real(0.1).value(), Digest().Real(std::nextafter(0.1, 1)).value());
}

TEST(DigestTest, Hex) {
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{0x0123456789abcdef}, ~uint64_t{0}}) {
    const std::string text = DigestToHex(value);
    EXPECT_EQ(text.size(), 16u);
    EXPECT_EQ(DigestFromHex(text).value(), value);
  }
  EXPECT_EQ(DigestToHex(0xab), "00000000000000ab");
  for (const char* bad :
       {"", "1", "00000000000000AB", "00000000000000ag", "0x000000000000ab", "-000000000000001", "000000000000000ab"}) {
    EXPECT_FALSE(DigestFromHex(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace gfn
