// Tensors in and out of safetensors files (base/safetensors_file.h holds the
// format and its checks).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/safetensors_file.h"
#include "gflownet/base/status.h"

namespace gfn {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

// A CPU copy of one tensor of the file, converted to `dtype` if given. NotFound
// lists the names there are.
StatusOr<at::Tensor> ReadTensor(const SafetensorsFile& file, std::string_view name,
                                std::optional<at::ScalarType> dtype = std::nullopt);

// Every tensor of a file, in the file's order, in the dtypes stored.
StatusOr<std::vector<NamedTensor>> ReadTensors(const std::string& path);

// Writes the tensors in this order (any device, any strides) and replaces
// `path` only when everything is on disk.
Status WriteTensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                    const std::map<std::string, std::string>& metadata = {});

}  // namespace gfn
