// The safetensors format (https://huggingface.co/docs/safetensors) without any tensor library: a reader over a mapped file
// and a writer that streams. gflownet/tensor turns the views into tensors.
//
// Layout: u64 length of header (little-endian) | header (JSON) | data. The reader treats the file as hostile: header at most
// 100 MB, strict JSON, no key twice, shape x width without overflow and equal to the bytes given, and, as the format asks,
// data covered entirely without hole or overlap. Not supported: the types that are not in DType.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/enum_table.h"
#include "gflownet/base/mapped_file.h"
#include "gflownet/base/status.h"

namespace gfn {

// In the order in which the reference implementation lays out the data of a file.
enum class DType { kI64, kF64, kF32, kI32, kBF16, kF16, kI16, kI8, kU8, kBool };
GFN_ENUM_TABLE(DType, {DType::kI64, "I64"}, {DType::kF64, "F64"}, {DType::kF32, "F32"}, {DType::kI32, "I32"},
               {DType::kBF16, "BF16"}, {DType::kF16, "F16"}, {DType::kI16, "I16"}, {DType::kI8, "I8"}, {DType::kU8, "U8"},
               {DType::kBool, "BOOL"})

// Bytes of one element.
int64_t DTypeSize(DType dtype);

struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // row-major; empty for a scalar
};

// Elements of a shape whose sizes are known to be valid (every Spec of a file that was opened is).
int64_t NumElements(const std::vector<int64_t>& shape);

// A tensor of an open file. `bytes` point into it, are little-endian, and need not be aligned.
struct TensorView : TensorSpec {
  std::span<const std::byte> bytes;
};

class SafetensorsFile {
 public:
  static StatusOr<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // In the order of their data.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  // nullptr if there is none.
  const TensorView* Find(std::string_view name) const;
  // NotFound names the file and the closest name in it.
  StatusOr<TensorView> Get(std::string_view name) const;
  // Keeps the views' bytes alive.
  std::shared_ptr<const MappedFile> mapping() const { return file_; }

 private:
  friend class SafetensorsParser;
  SafetensorsFile() = default;

  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, std::string> metadata_;
  std::vector<TensorView> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
};

// Writes beside the target and renames into place on Finish, so that a file of this name is always a whole one. The bytes
// depend on names, types, shapes, data and metadata alone, and are those that the reference implementation would write: data
// ordered by type (wide ones first) and name, beginning at a multiple of 8.
class SafetensorsWriter {
 public:
  // InvalidArgument: a name twice, a negative size, a product that overflows, the reserved name __metadata__.
  static StatusOr<SafetensorsWriter> Create(const std::string& path, std::vector<TensorSpec> tensors,
                                            const std::map<std::string, std::string>& metadata = {});

  SafetensorsWriter(SafetensorsWriter&&) noexcept;
  SafetensorsWriter& operator=(SafetensorsWriter&&) noexcept;
  // Without Finish nothing remains.
  ~SafetensorsWriter();

  // The whole data of one tensor; tensors may come in any order, each once.
  Status Write(std::string_view name, std::span<const std::byte> bytes);
  // FailedPrecondition if a tensor is missing. After it the file is on the disk under its name.
  Status Finish();

 private:
  struct State;
  explicit SafetensorsWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gfn
