#include "gflownet/tensor/random.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

// draw(i) for every element, in double or float, rounded to dtype.
template <class T, class Draw>
at::Tensor Fill(at::IntArrayRef shape, at::ScalarType dtype, const Draw& draw) {
  at::Tensor tensor = at::empty(shape, c10::CppTypeToScalarType<T>::value);
  T* values = tensor.mutable_data_ptr<T>();
  at::parallel_for(0, tensor.numel(), 4096, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) values[i] = static_cast<T>(draw(static_cast<uint64_t>(i)));
  });
  return tensor.to(dtype);
}

}  // namespace

at::Tensor UniformTensor(const RngKey& key, at::IntArrayRef shape, at::ScalarType dtype, uint64_t stream) {
  if (dtype == at::kDouble) {
    return Fill<double>(shape, dtype, [&](uint64_t i) { return Uniform(key, stream, i); });
  }
  return Fill<float>(shape, dtype, [&](uint64_t i) { return UniformFloat(key, stream, i); });
}

at::Tensor NormalTensor(const RngKey& key, at::IntArrayRef shape, at::ScalarType dtype, uint64_t stream) {
  const auto draw = [&](uint64_t i) { return Normal(key, stream, i); };
  return dtype == at::kDouble ? Fill<double>(shape, dtype, draw) : Fill<float>(shape, dtype, draw);
}

at::Tensor KaimingUniformTensor(const RngKey& key, at::IntArrayRef shape, double gain, at::ScalarType dtype, uint64_t stream) {
  GFN_CHECK(!shape.empty() && shape.back() > 0) << "fan_in is the last dimension of " << shape;
  const double bound = gain * std::sqrt(3.0 / static_cast<double>(shape.back()));
  const auto draw = [&](uint64_t i) { return bound * (2 * UniformOpen(key, stream, i) - 1); };
  return dtype == at::kDouble ? Fill<double>(shape, dtype, draw) : Fill<float>(shape, dtype, draw);
}

}  // namespace gfn
