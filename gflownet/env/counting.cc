#include "gflownet/env/counting.h"

#include "gflownet/base/check.h"

namespace gfn {

int64_t CountSum(int64_t a, int64_t b) {
  int64_t result;
  return __builtin_add_overflow(a, b, &result) ? INT64_MAX : result;
}

int64_t CountProduct(int64_t a, int64_t b) {
  int64_t result;
  return __builtin_mul_overflow(a, b, &result) ? INT64_MAX : result;
}

int64_t CountPower(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (int64_t i = 0; i < exponent && result != INT64_MAX; ++i) result = CountProduct(result, base);
  return result;
}

int64_t CountSubsets(int64_t set_size, int64_t subset_size) {
  // After step i the value is (n - k + i choose i), an integer.
  int64_t result = 1;
  for (int64_t i = 1; i <= subset_size; ++i) {
    result = CountProduct(result, set_size - subset_size + i);
    if (result == INT64_MAX) return INT64_MAX;
    result /= i;
  }
  return result;
}

MixedRadix::MixedRadix(std::vector<int64_t> sizes) : sizes_(std::move(sizes)) {
  for (const int64_t size : sizes_) count_ = CountProduct(count_, size);
}

at::Tensor MixedRadix::Digits(const at::Tensor& number_B) const {
  GFN_CHECK(count_ != INT64_MAX) << "numbers with this many digits do not fit";
  std::vector<at::Tensor> digits(sizes_.size());
  at::Tensor rest_B = number_B;
  for (size_t i = sizes_.size(); i-- > 0;) {
    digits[i] = rest_B.remainder(sizes_[i]);
    rest_B = rest_B.div(sizes_[i], "floor");
  }
  return at::stack(digits, 1);
}

at::Tensor MixedRadix::Number(const at::Tensor& digits_BD) const {
  at::Tensor number_B = at::zeros({digits_BD.size(0)}, at::kLong);
  for (size_t i = 0; i < sizes_.size(); ++i) number_B = number_B * sizes_[i] + digits_BD.select(1, static_cast<int64_t>(i));
  return number_B;
}

at::Tensor OneAt(const at::Tensor& place_B, int64_t count) {
  return at::arange(count, at::kLong).unsqueeze(0).eq(place_B.unsqueeze(1));
}

}  // namespace gfn
