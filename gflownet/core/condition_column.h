// How states and tensors carry conditions. Shapes: B rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "gflownet/core/condition.h"

namespace gfn {

// The bits of each id, int64 [B]: the tensor "condition" of states whose world has several conditions.
at::Tensor ConditionColumn(const std::vector<ConditionId>& conditions_B);

}  // namespace gfn
