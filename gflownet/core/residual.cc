#include "gflownet/core/residual.h"

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

struct Maker {
  std::unique_ptr<Residual> operator()(const SquaredResidual&) const { return std::make_unique<Squared>(); }
  std::unique_ptr<Residual> operator()(const HuberResidual& config) const { return std::make_unique<Huber>(config.delta); }
};

}  // namespace

std::unique_ptr<Residual> MakeResidual(const ResidualConfig& config) { return std::visit(Maker{}, config); }

}  // namespace gfn
