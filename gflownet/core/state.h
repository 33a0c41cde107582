// A batch of states as a value on the CPU: named tensors with a leading dimension B, so that text, forests, graphs and boxes all
// fit. Shapes: B batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gfn {

class State {
 public:
  // Rows of `done_B` (bool [B]) that are true are finished objects: they have no legal action left.
  explicit State(at::Tensor done_B);

  const at::Tensor& done_B() const { return done_B_; }
  int64_t batch_size() const { return done_B_.size(0); }
  bool AllDone() const;

  // The tensor of that name, which must exist; B is its first dimension.
  const at::Tensor& Get(const std::string& name) const;
  // Adds or replaces a tensor whose first dimension is B.
  State& Set(const std::string& name, at::Tensor value_B);
  State& SetDone(at::Tensor done_B);
  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }

  // The rows at those indices (int64 [N], repeats allowed) as a state of batch size N.
  State Gather(const at::Tensor& rows_N) const;
  // Row-wise choice: row b of `if_true` where the bool [B] condition holds, else of `if_false`. Both have the same tensors.
  static State Where(const at::Tensor& condition_B, const State& if_true, const State& if_false);
  // All rows below each other; every part has the same tensors.
  static State Concatenate(const std::vector<State>& parts);
  // The bytes of each row: equal for equal rows alone (of states with the same tensors).
  std::vector<std::string> RowKeys() const;
  // Same tensors with the same values.
  bool Equals(const State& other) const;
  // bool [B]: row by row. Both have the same tensors.
  at::Tensor EqualRows(const State& other) const;

 private:
  at::Tensor done_B_;
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace gfn
