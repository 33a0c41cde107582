// What a difference between two sides of a balance equation costs. Pure and elementwise; minimum 0 at 0, and x^2 near it, so that
// a learning rate keeps its meaning. A positive difference says that the forward side is too large.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"

namespace gfn {

class Residual {
 public:
  virtual ~Residual() = default;
  virtual at::Tensor Cost(const at::Tensor& difference) const = 0;
  // True where Cost(x) = x^2: only then does the O(L) form of a pairwise loss exist.
  virtual bool IsSquared() const { return false; }
  // Cost(x) = Cost(-x): then a pair needs no order.
  virtual bool IsSymmetric() const { return true; }
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

// e^x + e^-x - 2 (shifted cosh, Hu et al. 2410.02596): large differences, of either sign, weigh most. Beyond `limit` it goes on
// in a straight line, so that a wild trajectory stays finite.
struct ShiftedCoshResidual {
  static constexpr std::string_view kKind = "shifted_cosh";
  double limit = 5;
  template <class V>
  void Visit(V& v) {
    v("limit", limit, "differences above it (nats) cost linearly, with the slope reached there", Positive());
  }
};

// 2 (e^(alpha t) - alpha t - 1) / alpha^2 of t = -x (Linex, Hu et al. 2410.02596). alpha > 0: objects that the sampler draws too
// rarely cost exponentially, those that it draws too often linearly; it covers all modes. alpha < 0: the other way round.
// Straight where alpha t > `limit`.
struct LinexResidual {
  static constexpr std::string_view kKind = "linex";
  double alpha = 1;
  double limit = 5;
  template <class V>
  void Visit(V& v) {
    v("alpha", alpha, "not 0; above 0 punishes too little probability more than too much");
    v("limit", limit, "where alpha times the shortfall (nats) is above it, the cost is linear", Positive());
  }
  void Validate(ConfigErrors& errors) const;
};

using ResidualConfig = std::variant<SquaredResidual, HuberResidual, ShiftedCoshResidual, LinexResidual>;

std::unique_ptr<Residual> MakeResidual(const ResidualConfig& config);

}  // namespace gfn
