#include "gflownet/core/residual.h"

#include <cmath>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

class Squared : public Residual {
 public:
  at::Tensor Cost(const at::Tensor& difference) const override { return difference.square(); }
  bool IsSquared() const override { return true; }
};

class Huber : public Residual {
 public:
  explicit Huber(double delta) : delta_(delta) { GFN_CHECK(delta > 0) << "delta " << delta; }
  at::Tensor Cost(const at::Tensor& difference) const override {
    const at::Tensor size = difference.abs();
    return at::where(size.le(delta_), difference.square(), delta_ * (2 * size - delta_));
  }

 private:
  double delta_;
};

// e^x - 1 up to `limit`, then its tangent there.
at::Tensor ExpThenLine(const at::Tensor& x, double limit) {
  const at::Tensor low = x.clamp_max(limit);
  return low.expm1() + std::exp(limit) * (x - low);
}

class ShiftedCosh : public Residual {
 public:
  explicit ShiftedCosh(double limit) : limit_(limit) { GFN_CHECK(limit > 0) << "limit " << limit; }
  // e^x + e^-x - 2 = 4 sinh^2(x / 2), which keeps its digits near 0.
  at::Tensor Cost(const at::Tensor& difference) const override {
    const at::Tensor size = difference.abs(), low = size.clamp_max(limit_);
    return 4 * (low / 2).sinh().square() + 2 * std::sinh(limit_) * (size - low);
  }

 private:
  double limit_;
};

class Linex : public Residual {
 public:
  Linex(double alpha, double limit) : alpha_(alpha), limit_(limit) {
    GFN_CHECK(alpha != 0 && limit > 0) << alpha << " " << limit;
  }
  at::Tensor Cost(const at::Tensor& difference) const override {
    const at::Tensor t = -alpha_ * difference;
    return 2 / (alpha_ * alpha_) * (ExpThenLine(t, limit_) - t);
  }
  bool IsSymmetric() const override { return false; }

 private:
  double alpha_, limit_;
};

struct Maker {
  std::unique_ptr<Residual> operator()(const SquaredResidual&) const { return std::make_unique<Squared>(); }
  std::unique_ptr<Residual> operator()(const HuberResidual& config) const { return std::make_unique<Huber>(config.delta); }
  std::unique_ptr<Residual> operator()(const ShiftedCoshResidual& config) const {
    return std::make_unique<ShiftedCosh>(config.limit);
  }
  std::unique_ptr<Residual> operator()(const LinexResidual& config) const {
    return std::make_unique<Linex>(config.alpha, config.limit);
  }
};

}  // namespace

void LinexResidual::Validate(ConfigErrors& errors) const {
  if (alpha == 0) errors.Add("alpha", "is 0, where the cost is the squared one: use kind squared");
}

std::unique_ptr<Residual> MakeResidual(const ResidualConfig& config) { return std::visit(Maker{}, config); }

}  // namespace gfn
