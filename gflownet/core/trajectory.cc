#include "gflownet/core/trajectory.h"

#include <sstream>

#include "gflownet/base/check.h"
#include "gflownet/base/enum_table.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

std::string ShapeText(const at::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.scalar_type() << " " << tensor.sizes();
  return text.str();
}

// Zeros are padding everywhere.
at::Tensor PadSteps(const at::Tensor& tensor_BT, int64_t num_steps) {
  if (tensor_BT.size(1) == num_steps) return tensor_BT;
  std::vector<int64_t> shape = tensor_BT.sizes().vec();
  shape[1] = num_steps - tensor_BT.size(1);
  return at::cat({tensor_BT, at::zeros(shape, tensor_BT.options())}, 1);
}

}  // namespace

at::Tensor TrajectoryBatch::StepMask() const {
  return at::arange(num_steps(), lengths_B.options()).unsqueeze(0).lt(lengths_B.unsqueeze(1));
}

TrajectoryBatch TrajectoryBatch::Gather(const at::Tensor& rows_N) const {
  TrajectoryBatch result;
  const at::Tensor rows_cpu_N = rows_N.to(at::kCPU).contiguous();
  for (int64_t n = 0; n < rows_cpu_N.numel(); ++n) {
    result.condition_ids.push_back(condition_ids.at(rows_cpu_N.data_ptr<int64_t>()[n]));
  }
  const int64_t longest = rows_N.numel() == 0 ? 0 : lengths_B.index_select(0, rows_N).max().item<int64_t>();
  std::map<std::string, at::Tensor> chosen;
  ForEachTensor(*this, [&](const char* name, const at::Tensor& tensor, bool has_steps) {
    if (!tensor.defined()) return;
    const at::Tensor rows = tensor.index_select(0, rows_N);
    chosen[name] = has_steps ? rows.slice(1, 0, longest).contiguous() : rows;
  });
  TrajectoryBatch::ForEachTensor(result, [&](const char* name, at::Tensor& tensor, bool) {
    if (chosen.contains(name)) tensor = chosen[name];
  });
  for (const auto& [name, value_B] : reward_terms) result.reward_terms[name] = value_B.index_select(0, rows_N);
  return result;
}

TrajectoryBatch TrajectoryBatch::Gather(const std::vector<int64_t>& rows) const {
  return Gather(at::tensor(rows, at::TensorOptions().dtype(at::kLong).device(lengths_B.device())));
}

Status TrajectoryBatch::Check() const {
  if (!actions_BT.defined() || !lengths_B.defined()) return InvalidArgument("trajectories: actions or lengths are missing");
  if (actions_BT.dim() < 2)
    return InvalidArgument("trajectories: actions must be [B, T] or [B, T, D], found " + ShapeText(actions_BT));
  if (lengths_B.scalar_type() != at::kLong || lengths_B.dim() != 1) {
    return InvalidArgument("trajectories: lengths must be int64 [B], found " + ShapeText(lengths_B));
  }
  Status status;
  auto check = [&](const std::string& name, const at::Tensor& tensor, bool has_steps) {
    if (!status.ok() || !tensor.defined()) return;
    const bool fits = tensor.dim() >= 1 && tensor.size(0) == size() &&
                      (has_steps ? tensor.dim() >= 2 && tensor.size(1) == num_steps() : tensor.dim() == 1);
    if (!fits) {
      status = InvalidArgument("trajectories: " + name + " does not fit " + std::to_string(size()) + " rows of " +
                               std::to_string(num_steps()) + " steps: found " + ShapeText(tensor));
    }
  };
  ForEachTensor(*this, check);
  for (const auto& [name, value_B] : reward_terms) check("reward term " + name, value_B, false);
  RETURN_IF_ERROR(status);
  if (stop_legal_BT.defined() && stop_legal_BT.scalar_type() != at::kBool) {
    return InvalidArgument("trajectories: stop_legal must be bool, found " + ShapeText(stop_legal_BT));
  }
  const bool lengths_fit =
      size() == 0 || (lengths_B.min().item<int64_t>() >= 1 && lengths_B.max().item<int64_t>() <= num_steps());
  if (!lengths_fit) {
    return InvalidArgument("trajectories: lengths must be 1 .. " + std::to_string(num_steps()) + ", found " +
                           std::to_string(lengths_B.min().item<int64_t>()) + " .. " +
                           std::to_string(lengths_B.max().item<int64_t>()));
  }
  return OkStatus();
}

TrajectoryBatch Concatenate(const std::vector<TrajectoryBatch>& parts) {
  TrajectoryBatch result;
  int64_t longest = 0;
  std::vector<const TrajectoryBatch*> full;
  for (const TrajectoryBatch& part : parts) {
    if (part.size() == 0) continue;
    full.push_back(&part);
    longest = std::max(longest, part.num_steps());
    result.condition_ids.insert(result.condition_ids.end(), part.condition_ids.begin(), part.condition_ids.end());
  }
  if (full.empty()) return result;

  std::map<std::string, std::vector<at::Tensor>> columns;
  for (const TrajectoryBatch* part : full) {
    TrajectoryBatch::ForEachTensor(*part, [&](const char* name, const at::Tensor& tensor, bool has_steps) {
      if (tensor.defined()) columns[name].push_back(has_steps ? PadSteps(tensor, longest) : tensor);
    });
    for (const auto& [name, value_B] : part->reward_terms) columns["term " + name].push_back(value_B);
  }
  TrajectoryBatch::ForEachTensor(result, [&](const char* name, at::Tensor& tensor, bool) {
    if (columns[name].size() == full.size()) tensor = at::cat(columns[name], 0);
  });
  for (const auto& [name, value_B] : full.front()->reward_terms) {
    if (columns["term " + name].size() == full.size()) result.reward_terms[name] = at::cat(columns["term " + name], 0);
  }
  return result;
}

std::string Needs::ToString() const {
  std::vector<std::string> names;
  for (const auto& entry : GfnEnumEntries(Need{})) {
    if (Has(entry.value)) names.emplace_back(entry.name);
  }
  return Join(names, ", ");
}

Grouping GroupRows(const std::vector<ConditionId>& condition_ids) {
  Grouping grouping;
  std::map<ConditionId, int64_t> known;
  for (const ConditionId id : condition_ids) {
    const auto [place, is_new] = known.try_emplace(id, static_cast<int64_t>(grouping.conditions.size()));
    if (is_new) grouping.conditions.push_back(id);
    grouping.group_of_row.push_back(place->second);
  }
  return grouping;
}

void SetGroups(const TrajectoryBatch& batch, at::Device device, TrajectoryScores& scores) {
  const Grouping grouping = GroupRows(batch.condition_ids);
  scores.mask_BT = batch.StepMask().to(device);
  scores.group_B = at::tensor(grouping.group_of_row, at::kLong).to(device);
  scores.num_groups = static_cast<int64_t>(grouping.conditions.size());
}

}  // namespace gfn
