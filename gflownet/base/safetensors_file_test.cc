#include "gflownet/base/safetensors_file.h"

#include <cstring>
#include <fstream>

#include "gflownet/base/file_util.h"
#include "gflownet/base/rng.h"
#include "gflownet/base/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::byte> BytesOf(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string TextOf(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Without the syncing of WriteFileAtomic, which would take most of the time here.
void WriteRaw(const std::string& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

// Opens a file of this header and data; the header's length may be given falsely.
StatusOr<SafetensorsFile> OpenRaw(const std::string& header, const std::string& data, std::optional<uint64_t> length = {}) {
  const TestFolder folder;
  const uint64_t written = length.value_or(header.size());
  std::string content(reinterpret_cast<const char*>(&written), sizeof written);
  WriteRaw(folder / "x.safetensors", content + header + data);
  return SafetensorsFile::Open(folder / "x.safetensors");
}

std::string FileError(const std::string& header, const std::string& data = std::string(16, '\0')) {
  const Status status = OpenRaw(header, data).status();
  EXPECT_FALSE(status.ok()) << header;
  EXPECT_THAT(Message(status), HasSubstr("x.safetensors: ")) << header;
  return Message(status);
}

TEST(DTypeTest, SizesFollowTheNames) {
  for (const auto& entry : GfnEnumEntries(DType{})) {
    const std::string digits(entry.name.substr(entry.name.find_first_of("0123456789") == std::string_view::npos
                                                   ? entry.name.size()
                                                   : entry.name.find_first_of("0123456789")));
    EXPECT_EQ(DTypeSize(entry.value), digits.empty() ? 1 : std::stoi(digits) / 8) << entry.name;
  }
  EXPECT_EQ(NumElements({}), 1);
  EXPECT_EQ(NumElements({2, 3, 4}), 24);
  EXPECT_EQ(NumElements({2, 0}), 0);
}

// What make_safetensors.py of the golden folder puts into each tensor.
struct GoldenType {
  DType dtype;
  const char* name;
};
constexpr GoldenType kGoldenTypes[] = {{DType::kF64, "float64"},   {DType::kF32, "float32"}, {DType::kF16, "float16"},
                                       {DType::kBF16, "bfloat16"}, {DType::kI64, "int64"},   {DType::kI32, "int32"},
                                       {DType::kI16, "int16"},     {DType::kI8, "int8"},     {DType::kU8, "uint8"},
                                       {DType::kBool, "bool"}};
const char* const kGoldenFile = GFN_SOURCE_DIR "/tests/golden/base/every_type.safetensors";

std::string GoldenData(DType dtype, int64_t count) {
  std::string data;
  const int64_t size = DTypeSize(dtype);
  for (int64_t i = 0; i < count * size; ++i) data += static_cast<char>((7 * i + size) % (dtype == DType::kBool ? 2 : 251));
  return data;
}

TEST(SafetensorsTest, ReadsWhatTheReferenceWrites) {
  const auto file = SafetensorsFile::Open(kGoldenFile);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors().size(), 21u);
  EXPECT_THAT(file->metadata(), ElementsAre(std::pair<const std::string, std::string>("format", "pt")));
  for (const GoldenType& type : kGoldenTypes) {
    const TensorView matrix = file->Get("b." + std::string(type.name)).value();
    EXPECT_EQ(matrix.dtype, type.dtype);
    EXPECT_THAT(matrix.shape, ElementsAre(2, 3));
    EXPECT_EQ(TextOf(matrix.bytes), GoldenData(type.dtype, 6));
    const TensorView scalar = file->Get("a." + std::string(type.name)).value();
    EXPECT_TRUE(scalar.shape.empty());
    EXPECT_EQ(TextOf(scalar.bytes), GoldenData(type.dtype, 1));
  }
  EXPECT_EQ(file->Get("empty")->bytes.size(), 0u);
}

TEST(SafetensorsTest, WritesTheBytesOfTheReference) {
  const TestFolder folder;
  std::vector<TensorSpec> specs = {{"empty", DType::kF32, {0, 4}}};
  for (const GoldenType& type : kGoldenTypes) {
    specs.push_back({"b." + std::string(type.name), type.dtype, {2, 3}});
    specs.push_back({"a." + std::string(type.name), type.dtype, {}});
  }
  SafetensorsWriter writer = SafetensorsWriter::Create(folder / "f", specs, {{"format", "pt"}}).value();
  for (const TensorSpec& spec : specs) {
    ASSERT_TRUE(writer.Write(spec.name, BytesOf(GoldenData(spec.dtype, NumElements(spec.shape)))).ok());
  }
  ASSERT_TRUE(writer.Finish().ok());
  EXPECT_TRUE(ReadFile(folder / "f").value() == ReadFile(kGoldenFile).value());
}

TEST(SafetensorsTest, BytesDoNotDependOnTheOrderOfCalls) {
  const TestFolder folder;
  const auto write = [&](const std::string& name, std::vector<TensorSpec> specs, const std::vector<std::string>& order) {
    SafetensorsWriter writer = SafetensorsWriter::Create(folder / name, std::move(specs), {{"b", "2"}, {"a", "1"}}).value();
    for (const std::string& tensor : order) ASSERT_TRUE(writer.Write(tensor, BytesOf(tensor + tensor + tensor + tensor)).ok());
    ASSERT_TRUE(writer.Finish().ok());
  };
  const TensorSpec x = {"x", DType::kI32, {1}}, y = {"y", DType::kU8, {2, 2}}, z = {"z", DType::kF32, {1}};
  write("first", {x, y, z}, {"x", "y", "z"});
  write("second", {z, y, x}, {"y", "z", "x"});
  EXPECT_EQ(ReadFile(folder / "first").value(), ReadFile(folder / "second").value());
  const SafetensorsFile file = SafetensorsFile::Open(folder / "first").value();
  EXPECT_EQ(TextOf(file.Get("y")->bytes), "yyyy");
  EXPECT_EQ((reinterpret_cast<uintptr_t>(file.tensors()[0].bytes.data())) % 8, 0u);  // the data is aligned
}

TEST(SafetensorsTest, ViewsLiveAsLongAsTheMapping) {
  const TestFolder folder;
  SafetensorsWriter writer = SafetensorsWriter::Create(folder / "f", {{"x", DType::kU8, {3}}}).value();
  ASSERT_TRUE(writer.Write("x", BytesOf("abc")).ok());
  ASSERT_TRUE(writer.Finish().ok());
  std::shared_ptr<const MappedFile> mapping;
  TensorView view;
  {
    const SafetensorsFile file = SafetensorsFile::Open(folder / "f").value();
    EXPECT_EQ(file.Find("y"), nullptr);
    mapping = file.mapping();
    view = file.Get("x").value();
  }
  EXPECT_EQ(TextOf(view.bytes), "abc");
}

TEST(SafetensorsTest, AMissingTensorIsNamedWithTheClosest) {
  const auto file = SafetensorsFile::Open(kGoldenFile);
  const Status status = file->Get("b.float46").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("no tensor 'b.float46'"), HasSubstr("'b.float64'"), HasSubstr("every_type.safetensors")));
}

TEST(SafetensorsWriterTest, NothingRemainsWithoutFinish) {
  const TestFolder folder;
  {
    SafetensorsWriter writer = SafetensorsWriter::Create(folder / "f", {{"x", DType::kU8, {3}}}).value();
    ASSERT_TRUE(writer.Write("x", BytesOf("abc")).ok());
  }
  EXPECT_TRUE(ListFolder(folder.path())->empty());
}

TEST(SafetensorsWriterTest, RefusesWrongCalls) {
  const TestFolder folder;
  const auto create = [&](std::vector<TensorSpec> specs) {
    return Message(SafetensorsWriter::Create(folder / "f", std::move(specs)).status());
  };
  EXPECT_THAT(create({{"x", DType::kU8, {1}}, {"x", DType::kF32, {2}}}), HasSubstr("'x' is given twice"));
  EXPECT_THAT(create({{"x", DType::kU8, {-1}}}), HasSubstr("negative size -1"));
  EXPECT_THAT(create({{"x", DType::kF32, {int64_t{1} << 31, int64_t{1} << 31}}}), HasSubstr("more bytes than 64 bits"));
  EXPECT_THAT(create({{"x", DType::kU8, {INT64_MAX}}, {"y", DType::kU8, {1}}}), HasSubstr("more bytes than 64 bits"));
  EXPECT_THAT(create({{"__metadata__", DType::kU8, {1}}}), HasSubstr("reserved"));
  EXPECT_THAT(create({{"\xFF", DType::kU8, {1}}}), HasSubstr("UTF-8"));
  SafetensorsWriter writer = SafetensorsWriter::Create(folder / "f", {{"x", DType::kF32, {1}}, {"y", DType::kU8, {1}}}).value();
  EXPECT_THAT(Message(writer.Write("z", {})), HasSubstr("'z' was not announced"));
  EXPECT_THAT(Message(writer.Write("x", BytesOf("abc"))), HasSubstr("announced with 4 bytes, found 3"));
  ASSERT_TRUE(writer.Write("x", BytesOf("abcd")).ok());
  EXPECT_THAT(Message(writer.Write("x", BytesOf("abcd"))), HasSubstr("written twice"));
  const Status unfinished = writer.Finish();
  EXPECT_EQ(unfinished.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(unfinished), HasSubstr("'y' was announced but not written"));
  EXPECT_EQ(SafetensorsWriter::Create(folder / "no/f", {}).status().code(), absl::StatusCode::kNotFound);
}

TEST(HostileSafetensorsTest, ValidCornerCases) {
  EXPECT_TRUE(OpenRaw("{}", "").ok());
  EXPECT_TRUE(OpenRaw("{}      ", "").ok());
  EXPECT_TRUE(OpenRaw(R"({"__metadata__":{}})", "").ok());
  EXPECT_TRUE(OpenRaw(R"({"a":{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]}})", "").ok());
  // Two empty tensors beside a full one, in any order of the header.
  const auto file =
      OpenRaw(R"({"c":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
              R"("d":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}})",
              "abcd");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors()[0].name, "b");
  EXPECT_EQ(TextOf(file->Get("c")->bytes), "abcd");
}

TEST(HostileSafetensorsTest, LengthOfTheHeader) {
  const TestFolder folder;
  for (const size_t size : {0, 1, 7}) {
    WriteRaw(folder / "f", std::string(size, '\0'));
    EXPECT_EQ(SafetensorsFile::Open(folder / "f").status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_THAT(Message(OpenRaw("{}", "", 3).status()), HasSubstr("the header should be 3 bytes at offset 8"));
  EXPECT_THAT(Message(OpenRaw("{}", "", 99'000'000).status()), HasSubstr("the header should be"));
  EXPECT_THAT(Message(OpenRaw("{}", "", 100'000'001).status()), HasSubstr("100 MB"));
  EXPECT_THAT(Message(OpenRaw("{}", "", ~uint64_t{0}).status()), HasSubstr("100 MB"));
  EXPECT_FALSE(OpenRaw("{}", "", 0).ok());
  EXPECT_FALSE(OpenRaw("{}", "", 1).ok());
}

TEST(HostileSafetensorsTest, Json) {
  EXPECT_THAT(FileError(" {}"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(FileError("[]"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(FileError("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(FileError("{\"\xFF\":{}}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(FileError("{}{}"), HasSubstr("not valid JSON"));
  const std::string a = R"("a":{"dtype":"U8","shape":[16],"data_offsets":[0,16]})";
  EXPECT_THAT(FileError("{" + a + "," + a + "}"), HasSubstr("\"a\" is given twice"));
  EXPECT_THAT(FileError(R"({"__metadata__":[]})"), HasSubstr("__metadata__ should be an object"));
  EXPECT_THAT(FileError(R"({"__metadata__":{"a":1}})"), HasSubstr("'a' should be a string, found number"));
}

TEST(HostileSafetensorsTest, Entries) {
  EXPECT_THAT(FileError(R"({"a":[]})"), HasSubstr("exactly dtype, shape and data_offsets"));
  EXPECT_THAT(FileError(R"({"a":{"dtype":"U8","shape":[16]}})"), HasSubstr("exactly dtype, shape and data_offsets"));
  EXPECT_THAT(FileError(R"({"a":{"dtype":"U8","shape":[16],"data_offsets":[0,16],"x":1}})"), HasSubstr("exactly"));
  EXPECT_THAT(FileError(R"({"a":{"dtype":8,"shape":[16],"data_offsets":[0,16]}})"), HasSubstr("dtype should be a string"));
  const Status status = OpenRaw(R"({"a":{"dtype":"F8_E4M3","shape":[16],"data_offsets":[0,16]}})", std::string(16, 'x')).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("'F8_E4M3'"), HasSubstr("I64, F64")));
  for (const char* shape : {"16", "[-16]", "[16.0]", "[\"16\"]", "[9223372036854775808]", "[null]", "[[16]]", "[true]"}) {
    EXPECT_THAT(FileError(std::string(R"({"a":{"dtype":"U8","data_offsets":[0,16],"shape":)") + shape + "}}"),
                HasSubstr("shape should be a list"))
        << shape;
  }
  for (const char* offsets : {"16", "[]", "[0]", "[0,16,16]", "[-1,16]", "[0,16.5]", "[0,18446744073709551615]"}) {
    EXPECT_THAT(FileError(std::string(R"({"a":{"dtype":"U8","shape":[16],"data_offsets":)") + offsets + "}}"),
                HasSubstr("two integers"))
        << offsets;
  }
}

TEST(HostileSafetensorsTest, SizesAndPlaces) {
  const auto entry = [](const char* name, const char* dtype, const char* shape, int64_t begin, int64_t end) {
    return std::string("\"") + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[)" +
           std::to_string(begin) + "," + std::to_string(end) + "]}";
  };
  EXPECT_THAT(FileError("{" + entry("a", "F32", "[5]", 0, 16) + "}"), HasSubstr("needs 20 bytes, but data_offsets give 16"));
  EXPECT_THAT(FileError("{" + entry("a", "U8", "[4294967296,4294967296]", 0, 16) + "}"), HasSubstr("more bytes than 64 bits"));
  EXPECT_THAT(FileError("{" + entry("a", "F64", "[1152921504606846977]", 0, 16) + "}"),
              HasSubstr("more bytes than 64 bits"));  // wraps to 8 bytes
  EXPECT_THAT(FileError("{" + entry("a", "U8", "[17]", 0, 17) + "}"), HasSubstr("outside of the 16 bytes"));
  EXPECT_THAT(FileError("{" + entry("a", "U8", "[8]", 16, 8) + "}"), HasSubstr("outside of the 16 bytes"));
  EXPECT_THAT(FileError("{" + entry("a", "U8", "[1]", INT64_MAX - 1, INT64_MAX) + "}"), HasSubstr("outside of the 16 bytes"));
  EXPECT_THAT(FileError("{" + entry("a", "U8", "[10]", 0, 10) + "," + entry("b", "U8", "[10]", 6, 16) + "}"),
              HasSubstr("neither overlap nor have holes"));
  EXPECT_THAT(FileError("{" + entry("a", "U8", "[16]", 0, 16) + "," + entry("b", "U8", "[16]", 0, 16) + "}"),
              HasSubstr("neither overlap nor have holes"));
  EXPECT_THAT(FileError("{" + entry("a", "U8", "[4]", 0, 4) + "," + entry("b", "U8", "[4]", 12, 16) + "}"),
              HasSubstr("neither overlap nor have holes"));
  EXPECT_THAT(FileError("{" + entry("a", "U8", "[4]", 4, 8) + "}"), HasSubstr("begins at 4"));
  EXPECT_THAT(FileError("{" + entry("a", "U8", "[8]", 0, 8) + "}"), HasSubstr("the tensors end at 8, but there are 16 bytes"));
  EXPECT_THAT(FileError("{}"), HasSubstr("the tensors end at 0"));
}

// Every cut and many damaged bytes of a good file: an error or a file whose views lie inside of it, never a crash.
TEST(HostileSafetensorsTest, CutsAndDamage) {
  const TestFolder folder;
  const std::string good = ReadFile(kGoldenFile).value();
  const auto open = [&](const std::string& content) {
    WriteRaw(folder / "f", content);
    const auto file = SafetensorsFile::Open(folder / "f");
    if (!file.ok()) return false;
    for (const TensorView& view : file->tensors()) {
      EXPECT_GE(view.bytes.data(), file->mapping()->bytes().data());
      EXPECT_LE(view.bytes.data() + view.bytes.size(), file->mapping()->bytes().data() + file->mapping()->bytes().size());
      EXPECT_EQ(static_cast<int64_t>(view.bytes.size()), NumElements(view.shape) * DTypeSize(view.dtype));
    }
    return true;
  };
  EXPECT_TRUE(open(good));
  for (size_t size = 0; size < good.size(); size += 37) EXPECT_FALSE(open(good.substr(0, size))) << size;
  for (uint64_t i = 0; i < 500; ++i) {
    std::string damaged = good;
    damaged[UniformInt({1}, 0, i, static_cast<int64_t>(good.size()))] = static_cast<char>(UniformInt({1}, 1, i, 256));
    open(damaged);
  }
}

}  // namespace
}  // namespace gfn
