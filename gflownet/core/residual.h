// What a difference between two sides of a balance equation costs. Pure and elementwise; minimum 0 at 0.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "gflownet/base/config_rules.h"

namespace gfn {

class Residual {
 public:
  virtual ~Residual() = default;
  virtual at::Tensor Cost(const at::Tensor& difference) const = 0;
  // True where Cost(x) = x^2: only then does the O(L) form of a pairwise loss exist.
  virtual bool IsSquared() const { return false; }
};

struct SquaredResidual {
  static constexpr std::string_view kKind = "squared";
  template <class V>
  void Visit(V&) {}
};

// x^2 up to delta, then delta (2|x| - delta): the slope stays at 2 delta (Huber 1964), so one wild prefix cannot own the step.
struct HuberResidual {
  static constexpr std::string_view kKind = "huber";
  double delta = 5;
  template <class V>
  void Visit(V& v) {
    v("delta", delta, "differences above it (nats) cost linearly", Positive());
  }
};

using ResidualConfig = std::variant<SquaredResidual, HuberResidual>;

std::unique_ptr<Residual> MakeResidual(const ResidualConfig& config);

}  // namespace gfn
