#include "llm/format/gguf_file.h"

#include <array>
#include <bit>
#include <cstring>
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

StatusOr<GgufFile> GgufFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(auto mapped, MappedFile::Open(path));
  auto file = std::make_shared<const MappedFile>(std::move(mapped));
  ASSIGN_OR_RETURN(GgufFile result, Parse(file->bytes(), path));
  result.file_ = std::move(file);
  return result;
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
