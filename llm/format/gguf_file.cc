#include "llm/format/gguf_file.h"

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "gflownet/base/check.h"
#include "gflownet/base/mapped_file.h"
#include "gflownet/base/text_util.h"
#include "llm/format/gguf_parser.h"

namespace gfn {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read as little endian without swapping");

// What a value is called in messages, by its place in GgufValue.
constexpr std::array<const char*, std::variant_size_v<GgufValue>> kValueNames = {
    "an integer",         "a float", "a bool", "a string", "an array of integers", "an array of floats", "an array of bools",
    "an array of strings"};

constexpr char kSplitCount[] = "split.count";
constexpr char kSplitNumber[] = "split.no";
constexpr char kSplitTensors[] = "split.tensors.count";

// "-00002-of-00003.gguf" for index 1 of 3.
std::string SplitEnding(int64_t index, int64_t count) {
  const auto five_digits = [](int64_t number) {
    const std::string digits = std::to_string(number);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return "-" + five_digits(index + 1) + "-of-" + five_digits(count) + ".gguf";
}

}  // namespace

GgmlBlock BlockOf(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return {1, 4};
    case GgmlType::kF16:
      return {1, 2};
    case GgmlType::kBF16:
      return {1, 2};
    case GgmlType::kQ4_0:
      return {32, 18};
    case GgmlType::kQ4_1:
      return {32, 20};
    case GgmlType::kQ5_0:
      return {32, 22};
    case GgmlType::kQ5_1:
      return {32, 24};
    case GgmlType::kQ8_0:
      return {32, 34};
    case GgmlType::kQ4_K:
      return {256, 144};
    case GgmlType::kQ5_K:
      return {256, 176};
    case GgmlType::kQ6_K:
      return {256, 210};
  }
  GFN_CHECK(false) << "ggml type " << static_cast<uint32_t>(type);
  return {};
}

StatusOr<GgmlType> GgmlTypeFromNumber(uint32_t number) {
  for (const auto& entry : GfnEnumEntries(GgmlType{})) {
    if (static_cast<uint32_t>(entry.value) == number) return entry.value;
  }
  return Unimplemented("ggml tensor type " + std::to_string(number) + " is not supported; supported are " +
                       Join(EnumChoices<GgmlType>(), ", "));
}

bool GgufFile::HasMagic(std::span<const std::byte> head) { return head.size() >= 4 && std::memcmp(head.data(), "GGUF", 4) == 0; }

StatusOr<GgufFile> GgufFile::OpenOne(const std::string& path) {
  ASSIGN_OR_RETURN(auto mapped, MappedFile::Open(path));
  auto file = std::make_shared<const MappedFile>(std::move(mapped));
  ASSIGN_OR_RETURN(GgufFile result, Parse(file->bytes(), path));
  result.files_.push_back(std::move(file));
  return result;
}

StatusOr<GgufFile> GgufFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(GgufFile file, OpenOne(path));
  ASSIGN_OR_RETURN(const int64_t count, file.IntOr(kSplitCount, 1));
  if (count <= 1) return file;
  ASSIGN_OR_RETURN(const int64_t index, file.Int(kSplitNumber));
  return OpenSplit(path, index, count);
}

StatusOr<GgufFile> GgufFile::OpenSplit(const std::string& path, int64_t index, int64_t count) {
  const std::string what = "one of the " + std::to_string(count) + " files of a split GGUF model";
  const std::string ending = SplitEnding(index, count);
  if (!path.ends_with(ending)) {
    return InvalidArgument(path + ": " + what + ", whose name should end in '" + ending +
                           "' so that the others can be found beside it; or join them with llama-gguf-split --merge");
  }
  const std::string prefix = path.substr(0, path.size() - ending.size());
  std::optional<GgufFile> whole;
  for (int64_t i = 0; i < count; ++i) {
    StatusOr<GgufFile> part = OpenOne(prefix + SplitEnding(i, count));
    if (!part.ok()) return Annotate(part.status(), path + ": " + what);
    ASSIGN_OR_RETURN(const int64_t part_index, part->Int(kSplitNumber));
    ASSIGN_OR_RETURN(const int64_t part_count, part->Int(kSplitCount));
    if (part_index != i || part_count != count) {
      return DataLoss(part->name() + ": its metadata calls it file " + std::to_string(part_index + 1) + " of " +
                      std::to_string(part_count) + ", its name file " + std::to_string(i + 1) + " of " + std::to_string(count));
    }
    if (!whole) {
      whole = *std::move(part);
    } else {
      RETURN_IF_ERROR(whole->Append(*std::move(part)));
    }
  }
  const int64_t found = static_cast<int64_t>(whole->tensors_.size());
  ASSIGN_OR_RETURN(const int64_t stated, whole->IntOr(kSplitTensors, found));
  if (stated != found) {
    return DataLoss(whole->name() + ": its " + std::to_string(count) + " files hold " + std::to_string(found) +
                    " tensors, the metadata states " + std::to_string(stated));
  }
  return *std::move(whole);
}

Status GgufFile::Append(GgufFile other) {
  for (GgufTensor& tensor : other.tensors_) {
    if (!tensor_index_.emplace(tensor.name, tensors_.size()).second) {
      return DataLoss(other.name_ + ": tensor '" + tensor.name + "' is in another file of the model as well");
    }
    tensors_.push_back(std::move(tensor));
  }
  files_.insert(files_.end(), other.files_.begin(), other.files_.end());
  return OkStatus();
}

StatusOr<GgufFile> GgufFile::Parse(std::span<const std::byte> bytes, std::string name) {
  GgufFile file;
  file.name_ = std::move(name);
  RETURN_IF_ERROR(GgufParser(bytes, file).Run());
  return file;
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto it = tensor_index_.find(name);
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

template <class T>
StatusOr<const T*> GgufFile::Get(std::string_view key) const {
  const auto it = metadata_.find(key);
  if (it == metadata_.end()) return NotFound(name_ + ": no metadata key '" + std::string(key) + "'");
  if (const T* value = std::get_if<T>(&it->second)) return value;
  return InvalidArgument(name_ + ": metadata key '" + std::string(key) + "' is " + kValueNames[it->second.index()] +
                         ", expected " + kValueNames[GgufValue(T()).index()]);
}

StatusOr<int64_t> GgufFile::Int(std::string_view key) const {
  ASSIGN_OR_RETURN(const int64_t* value, Get<int64_t>(key));
  return *value;
}

StatusOr<double> GgufFile::Float(std::string_view key) const {
  const auto it = metadata_.find(key);
  if (it != metadata_.end()) {
    if (const int64_t* integer = std::get_if<int64_t>(&it->second)) return static_cast<double>(*integer);
  }
  ASSIGN_OR_RETURN(const double* value, Get<double>(key));
  return *value;
}

StatusOr<bool> GgufFile::Bool(std::string_view key) const {
  ASSIGN_OR_RETURN(const bool* value, Get<bool>(key));
  return *value;
}

StatusOr<std::string> GgufFile::String(std::string_view key) const {
  ASSIGN_OR_RETURN(const std::string* value, Get<std::string>(key));
  return *value;
}

StatusOr<std::span<const int64_t>> GgufFile::Ints(std::string_view key) const {
  ASSIGN_OR_RETURN(const std::vector<int64_t>* value, Get<std::vector<int64_t>>(key));
  return std::span<const int64_t>(*value);
}

StatusOr<std::span<const double>> GgufFile::Floats(std::string_view key) const {
  ASSIGN_OR_RETURN(const std::vector<double>* value, Get<std::vector<double>>(key));
  return std::span<const double>(*value);
}

StatusOr<std::span<const std::string>> GgufFile::Strings(std::string_view key) const {
  ASSIGN_OR_RETURN(const std::vector<std::string>* value, Get<std::vector<std::string>>(key));
  return std::span<const std::string>(*value);
}

StatusOr<int64_t> GgufFile::IntOr(std::string_view key, int64_t absent) const {
  return Has(key) ? Int(key) : StatusOr<int64_t>(absent);
}

StatusOr<double> GgufFile::FloatOr(std::string_view key, double absent) const {
  return Has(key) ? Float(key) : StatusOr<double>(absent);
}

StatusOr<bool> GgufFile::BoolOr(std::string_view key, bool absent) const { return Has(key) ? Bool(key) : StatusOr<bool>(absent); }

StatusOr<std::string> GgufFile::StringOr(std::string_view key, std::string absent) const {
  return Has(key) ? String(key) : StatusOr<std::string>(std::move(absent));
}

}  // namespace gfn
