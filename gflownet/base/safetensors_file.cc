#include "gflownet/base/safetensors_file.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "gflownet/base/check.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/safetensors_format.h"
#include "nlohmann/json.hpp"

namespace gfn {

using nlohmann::json;

int64_t DTypeSize(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
      return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  GFN_CHECK(false) << "DType " << static_cast<int>(dtype);
  return 0;
}

int64_t NumElements(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

StatusOr<int64_t> TensorBytes(const TensorSpec& spec) {
  int64_t bytes = DTypeSize(spec.dtype);
  bool overflow = false;
  for (const int64_t size : spec.shape) {
    if (size < 0) return InvalidArgument("tensor '" + spec.name + "' has the negative size " + std::to_string(size));
    // A 0 after an overflow does not save the shape: its other sizes are no real ones.
    overflow = overflow || __builtin_mul_overflow(bytes, size, &bytes);
  }
  if (overflow) return InvalidArgument("the shape of tensor '" + spec.name + "' has more bytes than 64 bits can count");
  return bytes;
}

// Reads one header. `file_` and `data_` are set before; every message begins with the path.
class SafetensorsParser {
 public:
  explicit SafetensorsParser(std::shared_ptr<const MappedFile> file) { result_.file_ = std::move(file); }

  StatusOr<SafetensorsFile> Parse() {
    // 1. Length of the header.
    ASSIGN_OR_RETURN(const auto length_bytes, file().Slice(0, 8, "the length of the header"));
    uint64_t length;
    std::memcpy(&length, length_bytes.data(), sizeof length);
    if (length > kMaxSafetensorsHeader) {
      return Error("the header should have " + std::to_string(length) +
                   " bytes, more than the format's 100 MB: not a safetensors file?");
    }
    ASSIGN_OR_RETURN(const auto header_bytes, file().Slice(8, length, "the header"));
    data_ = file().bytes().subspan(8 + length);
    // 2. The header itself. The format wants '{' first; the JSON may be followed by spaces.
    const std::string_view text(reinterpret_cast<const char*>(header_bytes.data()), header_bytes.size());
    if (!text.starts_with('{')) return Error("the header does not begin with '{': not a safetensors file?");
    ASSIGN_OR_RETURN(const json header, ParseJson(text, file().path() + ": header"));
    // 3. Its entries.
    for (const auto& [name, value] : header.items()) {
      RETURN_IF_ERROR(name == kSafetensorsMetadata ? ReadMetadata(value) : ReadTensor(name, value));
    }
    // 4. The data, covered without hole or overlap.
    auto& tensors = result_.tensors_;
    std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
      // Empty tensors share their place with the tensor that follows.
      return std::tuple(a.bytes.data(), a.bytes.size(), a.name) < std::tuple(b.bytes.data(), b.bytes.size(), b.name);
    });
    uint64_t covered = 0;
    for (size_t i = 0; i < tensors.size(); ++i) {
      const uint64_t begin = static_cast<uint64_t>(tensors[i].bytes.data() - data_.data());
      if (begin != covered) {
        return Error("tensor '" + tensors[i].name + "' begins at " + std::to_string(begin) + ", but the one before it ends at " +
                     std::to_string(covered) + ": data must neither overlap nor have holes");
      }
      covered += tensors[i].bytes.size();
      result_.index_.emplace(tensors[i].name, i);
    }
    if (covered != data_.size()) {
      return Error("the tensors end at " + std::to_string(covered) + ", but there are " + std::to_string(data_.size()) +
                   " bytes of data");
    }
    return std::move(result_);
  }

 private:
  const MappedFile& file() const { return *result_.file_; }
  Status Error(const std::string& message) const { return DataLoss(file().path() + ": " + message); }

  Status ReadMetadata(const json& value) {
    if (!value.is_object()) return Error("__metadata__ should be an object, found " + std::string(value.type_name()));
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string())
        return Error("__metadata__ '" + key + "' should be a string, found " + std::string(text.type_name()));
      result_.metadata_.emplace(key, text.get<std::string>());
    }
    return OkStatus();
  }

  // A list of integers >= 0 that fit int64.
  static std::optional<std::vector<int64_t>> ReadSizes(const json& value) {
    if (!value.is_array()) return std::nullopt;
    std::vector<int64_t> sizes;
    for (const json& item : value) {
      if (!item.is_number_unsigned() || item.get<uint64_t>() > uint64_t{INT64_MAX}) return std::nullopt;
      sizes.push_back(item.get<int64_t>());
    }
    return sizes;
  }

  Status ReadTensor(const std::string& name, const json& value) {
    const std::string what = "tensor '" + name + "'";
    if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets")) {
      return Error(what + " should be an object with exactly dtype, shape and data_offsets");
    }
    if (!value["dtype"].is_string()) return Error(what + ": dtype should be a string");
    const auto dtype = ParseEnum<DType>(value["dtype"].get<std::string>());
    if (!dtype.ok()) return Annotate(Unimplemented(Message(dtype.status())), file().path() + ": " + what + ": dtype");
    auto shape = ReadSizes(value["shape"]);
    if (!shape) return Error(what + ": shape should be a list of integers >= 0, found " + value["shape"].dump());
    const auto offsets = ReadSizes(value["data_offsets"]);
    if (!offsets || offsets->size() != 2) {
      return Error(what + ": data_offsets should be two integers >= 0, found " + value["data_offsets"].dump());
    }
    const int64_t begin = (*offsets)[0], end = (*offsets)[1];
    if (begin > end || static_cast<uint64_t>(end) > data_.size()) {
      return Error(what + ": data_offsets " + value["data_offsets"].dump() + " lie outside of the " +
                   std::to_string(data_.size()) + " bytes of data (a file cut short?)");
    }
    TensorView view;
    view.name = name;
    view.dtype = *dtype;
    view.shape = std::move(*shape);
    view.bytes = data_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    StatusOr<int64_t> bytes = TensorBytes(view);
    if (!bytes.ok()) return Error(Message(bytes.status()));
    if (*bytes != end - begin) {
      return Error(what + " of type " + std::string(EnumName(*dtype)) + " and shape " + value["shape"].dump() + " needs " +
                   std::to_string(*bytes) + " bytes, but data_offsets give " + std::to_string(end - begin));
    }
    result_.tensors_.push_back(std::move(view));
    return OkStatus();
  }

  SafetensorsFile result_;
  std::span<const std::byte> data_;
};

StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  return SafetensorsParser(std::make_shared<const MappedFile>(std::move(file))).Parse();
}

const TensorView* SafetensorsFile::Find(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

StatusOr<TensorView> SafetensorsFile::Get(std::string_view name) const {
  if (const TensorView* view = Find(name)) return *view;
  std::vector<std::string> names;
  for (const TensorView& view : tensors_) names.push_back(view.name);
  const auto closest = ClosestName(name, names);
  return NotFound(path() + ": no tensor '" + std::string(name) + "' among its " + std::to_string(names.size()) +
                  (closest ? "; the closest name is '" + *closest + "'" : ""));
}

}  // namespace gfn
