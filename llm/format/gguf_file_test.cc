#include "llm/format/gguf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>

#include "gflownet/base/file_util.h"
#include "gflownet/base/rng.h"
#include "gflownet/base/test_folder.h"
#include "llm/format/gguf_builder.h"

namespace gfn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kBlocks[] = GFN_SOURCE_DIR "/tests/golden/format/blocks.gguf";

// The message of a file that must be refused.
std::string Refusal(const GgufBuilder& builder) {
  const std::string bytes = builder.Build();
  const StatusOr<GgufFile> file = GgufFile::Parse(AsBytes(bytes), "f.gguf");
  EXPECT_FALSE(file.ok());
  return file.ok() ? "" : Message(file.status());
}

// One of the files that llama-gguf-split makes.
GgufBuilder Part(uint16_t index, uint16_t count, const std::string& tensor) {
  const auto number = [](const uint16_t& value) { return std::string_view(reinterpret_cast<const char*>(&value), 2); };
  GgufBuilder part;
  part.RawKey("split.no", 2, number(index)).RawKey("split.count", 2, number(count)).Uint32("split.tensors.count", count);
  if (index == 0) part.String("general.architecture", "test");
  const float value = index;
  return part.F32(tensor, {1}, {value});
}

TEST(GgufFile, OpensTheOtherFilesOfASplitModel) {
  const TestFolder folder;
  const auto path = [&](int index) { return folder / ("m-0000" + std::to_string(index + 1) + "-of-00003.gguf"); };
  for (uint16_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(WriteFileAtomic(path(i), Part(i, 3, "tensor" + std::to_string(i)).Build()).ok());
  }
  for (int given = 0; given < 3; ++given) {
    const auto file = GgufFile::Open(path(given));
    ASSERT_TRUE(file.ok()) << Message(file.status());
    EXPECT_EQ(*file->String("general.architecture"), "test");
    ASSERT_EQ(file->tensors().size(), 3u);
    for (int i = 0; i < 3; ++i) {
      const GgufTensor* tensor = file->FindTensor("tensor" + std::to_string(i));
      ASSERT_NE(tensor, nullptr);
      float value = -1;
      std::memcpy(&value, tensor->bytes.data(), sizeof value);
      EXPECT_EQ(value, i);
    }
  }
  const auto refusal = [](const std::string& of) { return Message(GgufFile::Open(of).status()); };
  ASSERT_TRUE(WriteFileAtomic(path(1), Part(1, 3, "tensor0").Build()).ok());
  EXPECT_THAT(refusal(path(0)), testing::AllOf(HasSubstr("tensor 'tensor0'"), HasSubstr("another file")));
  ASSERT_TRUE(WriteFileAtomic(path(1), Part(2, 3, "tensor1").Build()).ok());
  EXPECT_THAT(refusal(path(0)), HasSubstr("calls it file 3 of 3, its name file 2 of 3"));
  ASSERT_TRUE(RemoveAll(path(1)).ok());
  EXPECT_THAT(refusal(path(2)), testing::AllOf(HasSubstr("one of the 3 files"), HasSubstr("m-00002-of-00003.gguf")));
  ASSERT_TRUE(WriteFileAtomic(folder / "renamed.gguf", Part(0, 3, "t").Build()).ok());
  EXPECT_THAT(refusal(folder / "renamed.gguf"), testing::AllOf(HasSubstr("-00001-of-00003.gguf"), HasSubstr("--merge")));
}

TEST(GgufFile, ReadsEveryValueTypeOfAFileByTheReferencePackage) {
  const auto file = GgufFile::Open(kBlocks);
  ASSERT_TRUE(file.ok()) << Message(file.status());
  EXPECT_EQ(file->version(), 3);
  EXPECT_EQ(*file->String("general.architecture"), "test");
  EXPECT_EQ(*file->Int("test.uint8"), 200);
  EXPECT_EQ(*file->Int("test.int8"), -100);
  EXPECT_EQ(*file->Int("test.uint16"), 60000);
  EXPECT_EQ(*file->Int("test.int16"), -30000);
  EXPECT_EQ(*file->Int("test.uint32"), 4000000000);
  EXPECT_EQ(*file->Int("test.int32"), -2000000000);
  EXPECT_EQ(*file->Int("test.uint64"), 9000000000000000000);
  EXPECT_EQ(*file->Int("test.int64"), -9000000000000000000);
  EXPECT_EQ(*file->Float("test.float32"), double{0.1f});
  EXPECT_EQ(*file->Float("test.float64"), 0.1);
  EXPECT_EQ(*file->Float("test.uint8"), 200.0);
  EXPECT_TRUE(*file->Bool("test.bool"));
  EXPECT_EQ(*file->String("test.string"), "gr\u00fc\u00df dich");
  EXPECT_THAT(*file->Ints("test.ints"), ElementsAre(1, -2, 3));
  EXPECT_THAT(*file->Floats("test.floats"), ElementsAre(0.5, -0.25));
  EXPECT_THAT(*file->Strings("test.strings"), ElementsAre("a", "", "bc"));
  EXPECT_EQ(std::get<std::vector<bool>>(file->metadata().at("test.bools")), (std::vector<bool>{true, false}));
}

TEST(GgufFile, FindsTensorsWithTheirBytes) {
  const auto file = GgufFile::Open(kBlocks);
  ASSERT_TRUE(file.ok()) << Message(file.status());
  EXPECT_EQ(file->tensors().size(), 20u);
  const GgufTensor* q4_k = file->FindTensor("Q4_K");
  ASSERT_NE(q4_k, nullptr);
  EXPECT_EQ(q4_k->type, GgmlType::kQ4_K);
  EXPECT_THAT(q4_k->dims, ElementsAre(256, 2));
  EXPECT_EQ(q4_k->num_elements, 512);
  EXPECT_EQ(q4_k->bytes.size(), 288u);
  EXPECT_EQ(file->FindTensor("Q4_K.f64"), nullptr);
}

TEST(GgufFile, NamesFileKeyAndTypesOfAWrongRequest) {
  const auto file = GgufFile::Open(kBlocks);
  ASSERT_TRUE(file.ok());
  const auto missing = file->Int("no.such.key");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(missing.status()), HasSubstr("blocks.gguf: no metadata key 'no.such.key'"));
  const auto wrong = file->Int("test.string");
  EXPECT_EQ(wrong.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(wrong.status()), HasSubstr("'test.string' is a string, expected an integer"));
  EXPECT_EQ(*file->IntOr("no.such.key", 7), 7);
  EXPECT_FALSE(file->IntOr("test.string", 7).ok());
}

TEST(GgufFile, ReadsVersion2AndAnOddAlignment) {
  GgufBuilder builder(2);
  builder.alignment = 8;
  builder.Uint32("general.alignment", 8).F32("a", {3}, {1, 2, 3}).F32("b", {1}, {4});
  const std::string bytes = builder.Build();
  const auto file = GgufFile::Parse(AsBytes(bytes), "f.gguf");
  ASSERT_TRUE(file.ok()) << Message(file.status());
  EXPECT_EQ(file->version(), 2);
  EXPECT_EQ(file->alignment(), 8);
  float b = 0;
  std::memcpy(&b, file->FindTensor("b")->bytes.data(), 4);
  EXPECT_EQ(b, 4);
}

TEST(GgufFile, RefusesOtherVersionsAndFiles) {
  EXPECT_THAT(Refusal(GgufBuilder(1)), HasSubstr("GGUF version 1, supported are 2 and 3"));
  EXPECT_THAT(Refusal(GgufBuilder(0x03000000)), HasSubstr("big-endian"));
  EXPECT_THAT(Message(GgufFile::Parse(AsBytes("GGUX"), "f").status()), HasSubstr("not a GGUF file"));
  EXPECT_EQ(GgufFile::Open("/no/such/file.gguf").status().code(), absl::StatusCode::kNotFound);
}

TEST(GgufFile, RefusesCountsThatDoNotFit) {
  GgufBuilder keys;
  keys.Uint32("a", 1).num_keys = uint64_t{1} << 60;
  EXPECT_THAT(Refusal(keys), HasSubstr("metadata keys do not fit"));
  GgufBuilder tensors;
  tensors.F32("a", {1}, {1}).num_tensors = std::numeric_limits<uint64_t>::max();
  EXPECT_THAT(Refusal(tensors), HasSubstr("tensors do not fit"));
  std::string forged;
  GgufBuilder::Append(forged, uint64_t{1} << 62);
  EXPECT_THAT(Refusal(GgufBuilder().RawKey("name", 8, forged)), HasSubstr("metadata key 'name': the file ends"));
  std::string array;
  GgufBuilder::Append(array, uint32_t{4});
  GgufBuilder::Append(array, uint64_t{1} << 40);
  EXPECT_THAT(Refusal(GgufBuilder().RawKey("ids", 9, array)), HasSubstr("an array of 1099511627776 elements"));
  std::string strings;
  GgufBuilder::Append(strings, uint32_t{8});
  GgufBuilder::Append(strings, uint64_t{1} << 40);
  EXPECT_THAT(Refusal(GgufBuilder().RawKey("tokens", 9, strings)), HasSubstr("an array of 1099511627776 strings"));
}

TEST(GgufFile, RefusesValuesOutsideTheFormat) {
  EXPECT_THAT(Refusal(GgufBuilder().RawKey("k", 13, "....")), HasSubstr("unknown value type 13"));
  std::string nested;
  GgufBuilder::Append(nested, uint32_t{9});
  GgufBuilder::Append(nested, uint64_t{1});
  EXPECT_THAT(Refusal(GgufBuilder().RawKey("k", 9, nested + "............")), HasSubstr("array of arrays"));
  std::string large;
  GgufBuilder::Append(large, ~uint64_t{0});
  EXPECT_THAT(Refusal(GgufBuilder().RawKey("k", 10, large)), HasSubstr("too large"));
  EXPECT_THAT(Refusal(GgufBuilder().Uint32("k", 1).Uint32("k", 2)), HasSubstr("twice"));
  EXPECT_THAT(Refusal(GgufBuilder().Uint32("general.alignment", 24)), HasSubstr("power of two"));
  EXPECT_THAT(Refusal(GgufBuilder().Uint32("general.alignment", 0)), HasSubstr("power of two"));
}

TEST(GgufFile, RefusesTensorsOutsideTheFormat) {
  EXPECT_THAT(Refusal(GgufBuilder().Tensor("a", {256}, 16, "")), HasSubstr("ggml tensor type 16 is not supported"));
  EXPECT_THAT(Refusal(GgufBuilder().Tensor("a", {33}, 8, "")), HasSubstr("rows of 33 numbers are not whole blocks of 32 (Q8_0)"));
  EXPECT_THAT(Refusal(GgufBuilder().Tensor("a", {}, 0, "....")), HasSubstr("0 dimensions"));
  EXPECT_THAT(Refusal(GgufBuilder().Tensor("a", {1, 1, 1, 1, 1}, 0, "....")), HasSubstr("5 dimensions"));
  EXPECT_THAT(Refusal(GgufBuilder().Tensor("a", {4, 0}, 0, "....")), HasSubstr("dimension 1 is 0"));
  EXPECT_THAT(Refusal(GgufBuilder().Tensor("a", {uint64_t{1} << 33, uint64_t{1} << 33}, 0, "....")), HasSubstr("dimension 1 is"));
  EXPECT_THAT(Refusal(GgufBuilder().F32("a", {1}, {1}).F32("a", {1}, {1})), HasSubstr("twice"));
}

TEST(GgufFile, RefusesDataOutsideTheFileOrOverlapping) {
  EXPECT_THAT(Refusal(GgufBuilder().Tensor("a", {4}, 0, "....")), HasSubstr("reaches beyond the end of the file"));
  EXPECT_THAT(Refusal(GgufBuilder().RawTensor("a", {1}, 0, ~uint64_t{31})), HasSubstr("reaches beyond the end"));
  EXPECT_THAT(Refusal(GgufBuilder().F32("a", {64}, std::vector<float>(64)).RawTensor("b", {1}, 0, 3)), HasSubstr("alignment"));
  EXPECT_THAT(Refusal(GgufBuilder().F32("a", {64}, std::vector<float>(64)).RawTensor("b", {1}, 0, 32)),
              HasSubstr("overlaps that of tensor 'a'"));
}

TEST(GgufFile, RefusesEveryTruncation) {
  const std::string bytes = GgufBuilder().Uint32("k", 1).String("s", "text").F32("a", {2, 2}, {1, 2, 3, 4}).Build();
  ASSERT_TRUE(GgufFile::Parse(AsBytes(bytes), "f").ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of exactly this size, so that a sanitizer sees a read beyond it.
    const std::string prefix(bytes, 0, size);
    EXPECT_FALSE(GgufFile::Parse(AsBytes(prefix), "f").ok()) << size;
  }
}

TEST(GgufFile, SurvivesRandomMutations) {
  const std::string original =
      GgufBuilder()
          .Uint32("general.alignment", 32)
          .String("general.architecture", "llama")
          .RawKey("tokens", 9, GgufBuilder::Text("").insert(0, std::string("\x08\0\0\0\x01\0\0\0\0\0\0\0", 12)))
          .F32("a", {4, 2}, std::vector<float>(8))
          .Tensor("b", {32}, 2, std::string(18, 'x'))
          .Build();
  ASSERT_TRUE(GgufFile::Parse(AsBytes(original), "f").ok());
  const RngKey key{.seed = 11};
  int num_refused = 0;
  for (uint64_t trial = 0; trial < 4000; ++trial) {
    std::string bytes = original;
    const uint64_t num_changes = 1 + RandomBits(key, trial, 0) % 4;
    for (uint64_t change = 1; change <= num_changes; ++change) {
      const uint64_t bits = RandomBits(key, trial, change);
      bytes[bits % bytes.size()] = static_cast<char>(bits >> 56);
    }
    const auto file = GgufFile::Parse(AsBytes(bytes), "f");
    num_refused += !file.ok();
    if (!file.ok()) continue;
    for (const GgufTensor& tensor : file->tensors()) {
      EXPECT_LE(tensor.bytes.data() + tensor.bytes.size(), AsBytes(bytes).data() + bytes.size());
    }
  }
  EXPECT_GT(num_refused, 1000);
}

}  // namespace
}  // namespace gfn
