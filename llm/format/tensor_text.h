// Shapes and names of tensors in messages. Internal to llm/format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

// "[3, 4]"
std::string ShapeText(const std::vector<int64_t>& shape);

// DataLoss "<where>: tensor 'x' has shape [3, 4], expected [4, 3]" unless they are equal.
Status CheckShape(std::string_view where, std::string_view name, const std::vector<int64_t>& found,
                  const std::vector<int64_t>& expected);

// DataLoss naming the first few tensors that are missing and those that no part of the model uses; OK if there are none.
Status CheckNames(std::string_view where, const std::vector<std::string>& missing, const std::vector<std::string>& unexpected);

}  // namespace gfn
