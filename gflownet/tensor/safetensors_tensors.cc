#include "gflownet/tensor/safetensors_tensors.h"

#include <ATen/ATen.h>

#include <cstring>

#include "gflownet/base/check.h"
#include "gflownet/tensor/exceptions.h"

namespace gfn {
namespace {

struct DTypePair {
  DType file;
  at::ScalarType tensor;
};
constexpr DTypePair kDTypes[] = {{DType::kF64, at::kDouble},    {DType::kF32, at::kFloat}, {DType::kF16, at::kHalf},
                                 {DType::kBF16, at::kBFloat16}, {DType::kI64, at::kLong},  {DType::kI32, at::kInt},
                                 {DType::kI16, at::kShort},     {DType::kI8, at::kChar},   {DType::kU8, at::kByte},
                                 {DType::kBool, at::kBool}};

at::ScalarType ToScalarType(DType dtype) {
  for (const DTypePair& pair : kDTypes) {
    if (pair.file == dtype) return pair.tensor;
  }
  GFN_CHECK(false) << "safetensors dtype " << EnumName(dtype) << " has no tensor type";
  return at::kFloat;
}

DType ToDType(at::ScalarType type, const std::string& name) {
  for (const DTypePair& pair : kDTypes) {
    if (pair.tensor == type) return pair.file;
  }
  GFN_CHECK(false) << "tensor '" << name << "' of type " << at::toString(type) << " cannot be stored";
  return DType::kF32;
}

}  // namespace

StatusOr<at::Tensor> ReadTensor(const SafetensorsFile& file, std::string_view name, std::optional<at::ScalarType> dtype) {
  ASSIGN_OR_RETURN(const TensorView view, file.Get(name));
  return CatchExceptions(file.path() + ": tensor '" + view.name + "'", [&]() -> StatusOr<at::Tensor> {
    // The reader has checked that shape and bytes agree, so this allocates no more than the file holds.
    at::Tensor tensor = at::empty(view.shape, ToScalarType(view.dtype));
    GFN_CHECK_EQ(static_cast<size_t>(tensor.nbytes()), view.bytes.size());
    if (!view.bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    return dtype.has_value() ? tensor.to(*dtype) : tensor;
  });
}

StatusOr<std::vector<NamedTensor>> ReadTensors(const std::string& path) {
  ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  std::vector<NamedTensor> tensors;
  for (const TensorView& view : file.tensors()) {
    ASSIGN_OR_RETURN(at::Tensor tensor, ReadTensor(file, view.name));
    tensors.push_back({view.name, std::move(tensor)});
  }
  return tensors;
}

Status WriteTensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                    const std::map<std::string, std::string>& metadata) {
  std::vector<TensorSpec> specs;
  for (const NamedTensor& named : tensors) {
    specs.push_back({named.name, ToDType(named.tensor.scalar_type(), named.name), named.tensor.sizes().vec()});
  }
  return CatchExceptions(path, [&]() -> Status {
    ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::Create(path, std::move(specs), metadata));
    for (const NamedTensor& named : tensors) {
      const at::Tensor dense = named.tensor.detach().to(at::kCPU).contiguous();
      const auto* bytes = static_cast<const std::byte*>(dense.const_data_ptr());
      RETURN_IF_ERROR(writer.Write(named.name, {bytes, static_cast<size_t>(dense.nbytes())}));
    }
    return writer.Finish();
  });
}

}  // namespace gfn
