// A multi-layer perceptron over a ParameterSet, for the policies of small worlds.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/enum_table.h"
#include "gflownet/base/rng.h"
#include "gflownet/nets/linear.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

enum class MlpActivation { kRelu, kLeakyRelu };
GFN_ENUM_TABLE(MlpActivation, {MlpActivation::kRelu, "relu", "max(0, x)"},
               {MlpActivation::kLeakyRelu, "leaky_relu", "x for x > 0, else 0.01 x"})

class Mlp {
 public:
  // Layers sizes[0] -> sizes[1] -> ... as "<name>.0", "<name>.1", ..., with the activation between them and none after
  // the last. At least two sizes.
  Mlp(ParameterSet* parameters, const std::string& name, const std::string& group, const std::vector<int64_t>& sizes,
      MlpActivation activation, const RngKey& key, at::ScalarType dtype);

  // [..., sizes.front()] -> [..., sizes.back()]
  at::Tensor Apply(const at::Tensor& x) const;

 private:
  std::vector<Linear> layers_;
  MlpActivation activation_;
};

}  // namespace gfn
