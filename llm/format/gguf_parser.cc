#include "llm/format/gguf_parser.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace gfn {
namespace {

constexpr uint64_t kMaxKeyBytes = 65535;       // the format's limit of a key
constexpr uint64_t kMaxTensorNameBytes = 255;  // llama.cpp's is 63; one more byte would still be printable
constexpr uint32_t kMaxDims = 4;               // GGML_MAX_DIMS
constexpr int64_t kMaxAlignment = int64_t{1} << 20;

std::string Quote(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 80)) out += (c >= 0x20 && c < 0x7f) ? c : '?';
  return out + (text.size() > 80 ? "...'" : "'");
}

}  // namespace

Status GgufParser::Damaged(const std::string& message) const {
  return DataLoss(file_.name_ + ": at byte " + std::to_string(position_) + ", in " + reading_ + ": " + message);
}

Status GgufParser::Truncated(uint64_t wanted) const {
  return Damaged("the file ends: " + std::to_string(wanted) + " bytes expected, " + std::to_string(remaining()) + " left");
}

Status GgufParser::Run() {
  RETURN_IF_ERROR(ReadHeader());
  RETURN_IF_ERROR(ReadMetadata());
  RETURN_IF_ERROR(ReadTensorInfos());
  return LocateTensors();
}

Status GgufParser::ReadHeader() {
  if (!GgufFile::HasMagic(bytes_)) return Damaged("not a GGUF file (it does not begin with 'GGUF')");
  position_ = 4;
  ASSIGN_OR_RETURN(const uint32_t version, Read<uint32_t>());
  if (version != 2 && version != 3) {
    if (version == 0x02000000 || version == 0x03000000) return Unimplemented(file_.name_ + ": a big-endian GGUF file");
    return Unimplemented(file_.name_ + ": GGUF version " + std::to_string(version) + ", supported are 2 and 3");
  }
  file_.version_ = static_cast<int>(version);
  ASSIGN_OR_RETURN(num_tensors_, Read<uint64_t>());
  ASSIGN_OR_RETURN(num_keys_, Read<uint64_t>());
  // The smallest entries: a key of one byte with a one-byte value, a tensor of one dimension with a name of one byte.
  if (num_keys_ > remaining() / (8 + 1 + 4 + 1)) {
    return Damaged(std::to_string(num_keys_) + " metadata keys do not fit into the file");
  }
  if (num_tensors_ > remaining() / (8 + 1 + 4 + 8 + 4 + 8)) {
    return Damaged(std::to_string(num_tensors_) + " tensors do not fit into the file");
  }
  return OkStatus();
}

StatusOr<std::string> GgufParser::ReadString() {
  ASSIGN_OR_RETURN(const uint64_t length, Read<uint64_t>());
  if (length > remaining()) return Truncated(length);
  std::string text(reinterpret_cast<const char*>(bytes_.data() + position_), length);
  position_ += length;
  return text;
}

template <class Element, class Stored>
StatusOr<Element> GgufParser::Convert(Stored value) const {
  if constexpr (std::is_same_v<Stored, uint64_t>) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Damaged("the number " + std::to_string(value) + " is too large (above 2^63 - 1)");
    }
  }
  return static_cast<Element>(value);
}

template <class Stored, class Element>
StatusOr<GgufValue> GgufParser::ReadScalars(uint64_t count) {
  if (count > remaining() / sizeof(Stored)) {
    return Damaged("an array of " + std::to_string(count) + " elements of " + std::to_string(sizeof(Stored)) + " bytes, but " +
                   std::to_string(remaining()) + " bytes are left in the file");
  }
  std::vector<Element> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const Stored stored, Read<Stored>());
    ASSIGN_OR_RETURN(Element element, Convert<Element>(stored));
    values.push_back(element);
  }
  return GgufValue(std::move(values));
}

StatusOr<GgufValue> GgufParser::ReadArray() {
  ASSIGN_OR_RETURN(const uint32_t type, Read<uint32_t>());
  ASSIGN_OR_RETURN(const uint64_t count, Read<uint64_t>());
  switch (static_cast<ValueType>(type)) {
    case ValueType::kUint8:
      return ReadScalars<uint8_t, int64_t>(count);
    case ValueType::kInt8:
      return ReadScalars<int8_t, int64_t>(count);
    case ValueType::kUint16:
      return ReadScalars<uint16_t, int64_t>(count);
    case ValueType::kInt16:
      return ReadScalars<int16_t, int64_t>(count);
    case ValueType::kUint32:
      return ReadScalars<uint32_t, int64_t>(count);
    case ValueType::kInt32:
      return ReadScalars<int32_t, int64_t>(count);
    case ValueType::kUint64:
      return ReadScalars<uint64_t, int64_t>(count);
    case ValueType::kInt64:
      return ReadScalars<int64_t, int64_t>(count);
    case ValueType::kFloat32:
      return ReadScalars<float, double>(count);
    case ValueType::kFloat64:
      return ReadScalars<double, double>(count);
    case ValueType::kBool:
      return ReadScalars<uint8_t, bool>(count);
    case ValueType::kString:
      break;
    case ValueType::kArray:
      return Unimplemented(file_.name_ + ": " + reading_ + " is an array of arrays, which is not supported");
    default:
      return Damaged("unknown element type " + std::to_string(type) + " of an array (known are 0 to 12)");
  }
  if (count > remaining() / 8) {  // every string has 8 bytes of length
    return Damaged("an array of " + std::to_string(count) + " strings, but " + std::to_string(remaining()) +
                   " bytes are left in the file");
  }
  std::vector<std::string> strings;
  for (uint64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(std::string text, ReadString());
    strings.push_back(std::move(text));
  }
  return GgufValue(std::move(strings));
}

StatusOr<GgufValue> GgufParser::ReadValue(uint32_t type) {
  const auto scalar = [&]<class Stored, class Element>(Stored, Element) -> StatusOr<GgufValue> {
    ASSIGN_OR_RETURN(const Stored stored, Read<Stored>());
    ASSIGN_OR_RETURN(Element element, Convert<Element>(stored));
    return GgufValue(element);
  };
  switch (static_cast<ValueType>(type)) {
    case ValueType::kUint8:
      return scalar(uint8_t{}, int64_t{});
    case ValueType::kInt8:
      return scalar(int8_t{}, int64_t{});
    case ValueType::kUint16:
      return scalar(uint16_t{}, int64_t{});
    case ValueType::kInt16:
      return scalar(int16_t{}, int64_t{});
    case ValueType::kUint32:
      return scalar(uint32_t{}, int64_t{});
    case ValueType::kInt32:
      return scalar(int32_t{}, int64_t{});
    case ValueType::kUint64:
      return scalar(uint64_t{}, int64_t{});
    case ValueType::kInt64:
      return scalar(int64_t{}, int64_t{});
    case ValueType::kFloat32:
      return scalar(float{}, double{});
    case ValueType::kFloat64:
      return scalar(double{}, double{});
    case ValueType::kBool:
      return scalar(uint8_t{}, bool{});
    case ValueType::kArray:
      return ReadArray();
    case ValueType::kString:
      break;
    default:
      return Damaged("unknown value type " + std::to_string(type) + " (known are 0 to 12)");
  }
  ASSIGN_OR_RETURN(std::string text, ReadString());
  return GgufValue(std::move(text));
}

Status GgufParser::ReadMetadata() {
  for (uint64_t i = 0; i < num_keys_; ++i) {
    reading_ = "metadata key " + std::to_string(i) + " of " + std::to_string(num_keys_);
    ASSIGN_OR_RETURN(const std::string key, ReadString());
    if (key.empty() || key.size() > kMaxKeyBytes) {
      return Damaged("a key of " + std::to_string(key.size()) + " bytes (1 to " + std::to_string(kMaxKeyBytes) + " expected)");
    }
    reading_ = "the value of metadata key " + Quote(key);
    ASSIGN_OR_RETURN(const uint32_t type, Read<uint32_t>());
    ASSIGN_OR_RETURN(GgufValue value, ReadValue(type));
    if (!file_.metadata_.emplace(key, std::move(value)).second) return Damaged("the key is there twice");
  }
  reading_ = "the metadata";
  ASSIGN_OR_RETURN(file_.alignment_, file_.IntOr("general.alignment", 32));
  if (file_.alignment_ < 1 || file_.alignment_ > kMaxAlignment || (file_.alignment_ & (file_.alignment_ - 1)) != 0) {
    return Damaged("general.alignment is " + std::to_string(file_.alignment_) + ", expected a power of two up to " +
                   std::to_string(kMaxAlignment));
  }
  return OkStatus();
}

Status GgufParser::ReadTensorInfos() {
  for (uint64_t i = 0; i < num_tensors_; ++i) {
    reading_ = "tensor " + std::to_string(i) + " of " + std::to_string(num_tensors_);
    GgufTensor tensor;
    ASSIGN_OR_RETURN(tensor.name, ReadString());
    if (tensor.name.empty() || tensor.name.size() > kMaxTensorNameBytes) {
      return Damaged("a name of " + std::to_string(tensor.name.size()) + " bytes (1 to " + std::to_string(kMaxTensorNameBytes) +
                     " expected)");
    }
    reading_ = "tensor " + Quote(tensor.name);
    ASSIGN_OR_RETURN(const uint32_t num_dims, Read<uint32_t>());
    if (num_dims < 1 || num_dims > kMaxDims) return Damaged(std::to_string(num_dims) + " dimensions (1 to 4 expected)");
    tensor.num_elements = 1;
    for (uint32_t d = 0; d < num_dims; ++d) {
      ASSIGN_OR_RETURN(const uint64_t size, Read<uint64_t>());
      // The product stays below 2^59 so that no size in bytes can overflow; files are far smaller.
      if (size == 0 || size > (uint64_t{1} << 59) / static_cast<uint64_t>(tensor.num_elements)) {
        return Damaged("dimension " + std::to_string(d) + " is " + std::to_string(size));
      }
      tensor.dims.push_back(static_cast<int64_t>(size));
      tensor.num_elements *= static_cast<int64_t>(size);
    }
    ASSIGN_OR_RETURN(const uint32_t type_number, Read<uint32_t>());
    const StatusOr<GgmlType> type = GgmlTypeFromNumber(type_number);
    if (!type.ok()) return Annotate(type.status(), file_.name_ + ": " + reading_);
    tensor.type = *type;
    const int64_t block = BlockOf(tensor.type).elements;
    if (tensor.dims[0] % block != 0) {
      return Damaged("rows of " + std::to_string(tensor.dims[0]) + " numbers are not whole blocks of " + std::to_string(block) +
                     " (" + std::string(EnumName(tensor.type)) + ")");
    }
    ASSIGN_OR_RETURN(const uint64_t offset, Read<uint64_t>());
    offsets_.push_back(offset);
    if (!file_.tensor_index_.emplace(tensor.name, file_.tensors_.size()).second) return Damaged("the name is there twice");
    file_.tensors_.push_back(std::move(tensor));
  }
  return OkStatus();
}

// The data section begins at the next multiple of the alignment; offsets count from there.
Status GgufParser::LocateTensors() {
  reading_ = "the tensor data";
  const uint64_t alignment = static_cast<uint64_t>(file_.alignment_);
  const uint64_t begin = (position_ + alignment - 1) / alignment * alignment;
  if (num_tensors_ > 0 && begin > bytes_.size()) return Truncated(begin - position_);
  const uint64_t data_bytes = num_tensors_ > 0 ? bytes_.size() - begin : 0;
  for (size_t i = 0; i < offsets_.size(); ++i) {
    GgufTensor& tensor = file_.tensors_[i];
    const GgmlBlock block = BlockOf(tensor.type);
    const uint64_t size = static_cast<uint64_t>(tensor.num_elements / block.elements * block.bytes);
    reading_ = "tensor " + Quote(tensor.name);
    if (offsets_[i] % alignment != 0) {
      return Damaged("its data offset " + std::to_string(offsets_[i]) + " is not a multiple of the alignment " +
                     std::to_string(alignment));
    }
    if (offsets_[i] > data_bytes || size > data_bytes - offsets_[i]) {
      return Damaged("its data (offset " + std::to_string(offsets_[i]) + ", " + std::to_string(size) +
                     " bytes) reaches beyond the end of the file, whose data section has " + std::to_string(data_bytes) +
                     " bytes; the file may be truncated");
    }
    tensor.bytes = bytes_.subspan(begin + offsets_[i], size);
  }
  std::vector<size_t> order(offsets_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return offsets_[i]; });
  for (size_t k = 1; k < order.size(); ++k) {
    const GgufTensor& before = file_.tensors_[order[k - 1]];
    if (offsets_[order[k - 1]] + before.bytes.size() > offsets_[order[k]]) {
      reading_ = "tensor " + Quote(file_.tensors_[order[k]].name);
      return Damaged("its data overlaps that of tensor " + Quote(before.name));
    }
  }
  return OkStatus();
}

}  // namespace gfn
