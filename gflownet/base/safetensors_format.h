// What the reader and the writer of safetensors share; users want gflownet/base/safetensors_file.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "gflownet/base/safetensors_file.h"
#include "gflownet/base/status.h"

namespace gfn {

inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;
inline constexpr std::string_view kSafetensorsMetadata = "__metadata__";

// Bytes of a tensor's data; InvalidArgument for a negative size or a product beyond int64.
StatusOr<int64_t> TensorBytes(const TensorSpec& spec);

}  // namespace gfn
