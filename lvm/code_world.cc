#include "lvm/code_world.h"

#include "gflownet/base/check.h"
#include "gflownet/core/condition_column.h"

namespace gfn {
namespace {

constexpr char kCondition[] = "condition";

State UnderOne(State state, ConditionId condition) {
  return state.Set(kCondition, at::full({state.batch_size()}, static_cast<int64_t>(condition.value), at::kLong));
}

}  // namespace

State CodeWorld::Initial(const std::vector<ConditionId>& conditions_B) const {
  return codes_.Initial(conditions_B).Set(kCondition, ConditionColumn(conditions_B));
}

State CodeWorld::Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const {
  return codes_.Step(state, actions_B, outcome_B).Set(kCondition, state.Get(kCondition));
}

State CodeWorld::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  return codes_.Undo(state, backward_actions_B).Set(kCondition, state.Get(kCondition));
}

State CodeWorld::StatesAt(const at::Tensor& index_B, ConditionId condition) const {
  return UnderOne(codes_.StatesAt(index_B, condition), condition);
}

State CodeWorld::ObjectsAt(const at::Tensor& index_B, ConditionId condition) const {
  return UnderOne(codes_.ObjectsAt(index_B, condition), condition);
}

TrajectoryBatch CodeWorld::EveryObject(const std::vector<ConditionId>& conditions) const {
  const int64_t num_objects = NumObjects(), num_conditions = static_cast<int64_t>(conditions.size());
  std::vector<ConditionId> rows;
  for (const ConditionId id : conditions) rows.insert(rows.end(), static_cast<size_t>(num_objects), id);
  const at::Tensor codes_XN = AssignmentWorld::Values(codes_.ObjectsAt(at::arange(num_objects, at::kLong), Unconditional()));
  return TrajectoriesTo(rows, codes_XN.repeat({num_conditions, 1}));
}

TrajectoryBatch CodeWorld::TrajectoriesTo(const std::vector<ConditionId>& conditions_B, const at::Tensor& codes_BN) const {
  const int64_t rows = static_cast<int64_t>(conditions_B.size());
  GFN_CHECK(codes_BN.dim() == 2 && codes_BN.size(0) == rows && codes_BN.size(1) == codes_.num_sites());
  TrajectoryBatch batch;
  batch.condition_ids = conditions_B;
  batch.actions_BT = codes_BN;
  batch.lengths_B = at::full({rows}, codes_.num_sites(), at::kLong);
  return batch;
}

}  // namespace gfn
