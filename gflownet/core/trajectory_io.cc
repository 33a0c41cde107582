#include "gflownet/core/trajectory_io.h"

#include "gflownet/base/safetensors_file.h"
#include "gflownet/tensor/safetensors_tensors.h"

namespace gfn {
namespace {

constexpr std::string_view kConditions = "condition_ids";
constexpr std::string_view kTerm = "term.";

Status CheckFinite(const std::string& path, const std::string& name, const at::Tensor& tensor) {
  if (!tensor.is_floating_point() || tensor.isfinite().all().item<bool>()) return OkStatus();
  return DataLoss(path + ": tensor '" + name + "' holds a value that is not finite");
}

}  // namespace

Status WriteTrajectories(const std::string& path, const TrajectoryBatch& batch,
                         const std::map<std::string, std::string>& metadata) {
  std::vector<int64_t> ids;
  for (const ConditionId id : batch.condition_ids) ids.push_back(static_cast<int64_t>(id.value));
  std::vector<NamedTensor> tensors = {{std::string(kConditions), at::tensor(ids, at::kLong)}};
  TrajectoryBatch::ForEachTensor(batch, [&](const char* name, const at::Tensor& tensor, bool) {
    if (tensor.defined()) tensors.push_back({name, tensor});
  });
  for (const auto& [name, value_B] : batch.reward_terms) tensors.push_back({std::string(kTerm) + name, value_B});
  return WriteTensors(path, tensors, metadata);
}

StatusOr<StoredTrajectories> ReadTrajectories(const std::string& path) {
  ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  StoredTrajectories stored{{}, file.metadata()};
  ASSIGN_OR_RETURN(const at::Tensor ids, ReadTensor(file, kConditions));
  if (ids.scalar_type() != at::kLong || ids.dim() != 1) return DataLoss(path + ": condition_ids must be I64 with one dimension");
  for (int64_t i = 0; i < ids.numel(); ++i) {
    stored.batch.condition_ids.push_back(ConditionId{static_cast<uint64_t>(ids.data_ptr<int64_t>()[i])});
  }
  for (const TensorView& view : file.tensors()) {
    if (view.name == kConditions) continue;
    ASSIGN_OR_RETURN(const at::Tensor tensor, ReadTensor(file, view.name));
    RETURN_IF_ERROR(CheckFinite(path, view.name, tensor));
    bool known = view.name.starts_with(kTerm);
    if (known) stored.batch.reward_terms[view.name.substr(kTerm.size())] = tensor;
    TrajectoryBatch::ForEachTensor(stored.batch, [&](const char* name, at::Tensor& field, bool) {
      if (view.name != name) return;
      field = tensor;
      known = true;
    });
    if (!known) return DataLoss(path + ": unknown tensor '" + view.name + "' in a file of trajectories");
  }
  if (const Status status = stored.batch.Check(); !status.ok()) return DataLoss(path + ": " + Message(status));
  return stored;
}

}  // namespace gfn
