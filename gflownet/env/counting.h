// Counts of states that may be astronomically large, numbers whose digits have different sizes, and rows of marks.
// Shapes: B batch, D digits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace gfn {

// Of counts >= 0; INT64_MAX stands for everything that does not fit.
int64_t CountSum(int64_t a, int64_t b);
int64_t CountProduct(int64_t a, int64_t b);
int64_t CountPower(int64_t base, int64_t exponent);
int64_t CountSubsets(int64_t set_size, int64_t subset_size);  // n choose k

// Digits 0 .. sizes[d]-1 as one number, the first digit being the most significant.
class MixedRadix {
 public:
  explicit MixedRadix(std::vector<int64_t> sizes);

  int64_t Count() const { return count_; }              // INT64_MAX when it does not fit: then numbers are not unique
  at::Tensor Digits(const at::Tensor& number_B) const;  // int64 [B] -> [B, D]
  at::Tensor Number(const at::Tensor& digits_BD) const;

 private:
  std::vector<int64_t> sizes_;
  int64_t count_ = 1;
};

// bool [B, count]: true at one place of each row, and nowhere where the place is `count` (a stop, say). place_B int64 [B].
at::Tensor OneAt(const at::Tensor& place_B, int64_t count);

}  // namespace gfn
