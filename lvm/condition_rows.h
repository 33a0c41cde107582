// Which row of a table of data belongs to a condition, for whole batches of states. Shapes: B rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "gflownet/core/condition.h"

namespace gfn {

// Rows 0, 1, ... in the order of `ids`, the data; behind them those of `dream`, which a model has drawn and forgets with the
// next.
class ConditionRows {
 public:
  void SetData(std::vector<ConditionId> ids);
  void SetDream(std::vector<ConditionId> dream);
  // int64 [B], by the ids as numbers (ConditionColumn); an unknown one is a programmer error.
  at::Tensor Of(const at::Tensor& ids_B) const;

 private:
  void Sort();
  std::vector<ConditionId> data_, dream_;
  at::Tensor sorted_ids_, rows_of_sorted_;
};

}  // namespace gfn
