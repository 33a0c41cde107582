// A GGUF container (versions 2 and 3, little endian) over a mapped file: typed metadata and the tensors' names, shapes,
// types and bytes. It knows nothing of models or tokenizers, and copies no tensor data.
//
// The file is hostile: every count, string length, offset and size is checked against the bytes that are there before it is
// used, so that a truncated or forged file answers with DataLoss naming what and where (file, byte offset, key or tensor).
// Refused with Unimplemented: version 1, big endian, arrays of arrays, tensor types without a dequantizer here.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gflownet/base/enum_table.h"
#include "gflownet/base/status.h"

namespace gfn {

class MappedFile;

// The tensor types that llm/format can dequantize, with ggml's numbers.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

GFN_ENUM_TABLE(GgmlType, {GgmlType::kF32, "F32"}, {GgmlType::kF16, "F16"}, {GgmlType::kQ4_0, "Q4_0"}, {GgmlType::kQ4_1, "Q4_1"},
               {GgmlType::kQ5_0, "Q5_0"}, {GgmlType::kQ5_1, "Q5_1"}, {GgmlType::kQ8_0, "Q8_0"}, {GgmlType::kQ4_K, "Q4_K"},
               {GgmlType::kQ5_K, "Q5_K"}, {GgmlType::kQ6_K, "Q6_K"}, {GgmlType::kBF16, "BF16"})

// A row of a tensor is a whole number of blocks; a block holds `elements` numbers in `bytes` bytes.
struct GgmlBlock {
  int64_t elements;
  int64_t bytes;
};
GgmlBlock BlockOf(GgmlType type);

// Unimplemented, with the list of known types, if ggml's number is none of them.
StatusOr<GgmlType> GgmlTypeFromNumber(uint32_t number);

// All integer types of a file become int64 (a uint64 above its maximum is refused), both float types double.
using GgufValue = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>, std::vector<bool>,
                               std::vector<std::string>>;

struct GgufTensor {
  std::string name;
  GgmlType type;
  // GGUF order, fastest first: a weight [out, in] of Hugging Face is {in, out} here. 1 to 4 positive numbers.
  std::vector<int64_t> dims;
  int64_t num_elements;              // product of dims
  std::span<const std::byte> bytes;  // inside the mapped files; exactly num_elements of this type; lives as long as the GgufFile
};

class GgufFile {
 public:
  // A file of a split model (llama-gguf-split: "name-00001-of-00003.gguf", any of them) opens the others beside it and is the
  // whole model; NotFound names the one that is missing.
  static StatusOr<GgufFile> Open(const std::string& path);
  // Parses bytes that outlive the result; name stands for the file in messages.
  static StatusOr<GgufFile> Parse(std::span<const std::byte> bytes, std::string name);
  // True if a file that begins with these bytes calls itself a GGUF file.
  static bool HasMagic(std::span<const std::byte> head);

  const std::string& name() const { return name_; }  // the path
  int version() const { return version_; }
  int64_t alignment() const { return alignment_; }

  // Metadata. A missing key is NotFound, a value of another type InvalidArgument; both name the file and the key.
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  bool Has(std::string_view key) const { return metadata_.find(key) != metadata_.end(); }
  StatusOr<int64_t> Int(std::string_view key) const;
  StatusOr<double> Float(std::string_view key) const;  // an integer value is accepted
  StatusOr<bool> Bool(std::string_view key) const;
  StatusOr<std::string> String(std::string_view key) const;
  // Arrays are borrowed from this object. A GGUF array that is empty is of its declared element type.
  StatusOr<std::span<const int64_t>> Ints(std::string_view key) const;
  StatusOr<std::span<const double>> Floats(std::string_view key) const;
  StatusOr<std::span<const std::string>> Strings(std::string_view key) const;
  // The same for keys that may be absent; a value of another type is still an error.
  StatusOr<int64_t> IntOr(std::string_view key, int64_t absent) const;
  StatusOr<double> FloatOr(std::string_view key, double absent) const;
  StatusOr<bool> BoolOr(std::string_view key, bool absent) const;
  StatusOr<std::string> StringOr(std::string_view key, std::string absent) const;

  // In file order; names are unique and byte ranges do not overlap.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  // nullptr if there is none of this name.
  const GgufTensor* FindTensor(std::string_view name) const;

 private:
  friend class GgufParser;
  GgufFile() = default;

  static StatusOr<GgufFile> OpenOne(const std::string& path);
  static StatusOr<GgufFile> OpenSplit(const std::string& path, int64_t index, int64_t count);
  // Takes over the tensors of another file of the same model.
  Status Append(GgufFile other);

  template <class T>
  StatusOr<const T*> Get(std::string_view key) const;

  std::string name_;
  std::vector<std::shared_ptr<const MappedFile>> files_;  // empty after Parse
  int version_ = 0;
  int64_t alignment_ = 32;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, size_t, std::less<>> tensor_index_;
};

}  // namespace gfn
