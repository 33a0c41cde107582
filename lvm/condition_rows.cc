#include "lvm/condition_rows.h"

#include <tuple>

#include "gflownet/base/check.h"
#include "gflownet/core/condition_column.h"

namespace gfn {

void ConditionRows::SetData(std::vector<ConditionId> ids) {
  data_ = std::move(ids);
  Sort();
}

void ConditionRows::SetDream(std::vector<ConditionId> dream) {
  dream_ = std::move(dream);
  Sort();
}

void ConditionRows::Sort() {
  std::vector<ConditionId> ids = data_;
  ids.insert(ids.end(), dream_.begin(), dream_.end());
  std::tie(sorted_ids_, rows_of_sorted_) = ConditionColumn(ids).sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
}

at::Tensor ConditionRows::Of(const at::Tensor& ids_B) const {
  const at::Tensor place_B = at::searchsorted(sorted_ids_, ids_B).clamp_max(sorted_ids_.numel() - 1);
  GFN_CHECK(sorted_ids_.index_select(0, place_B).equal(ids_B)) << "a condition that the model does not know";
  return rows_of_sorted_.index_select(0, place_B);
}

}  // namespace gfn
