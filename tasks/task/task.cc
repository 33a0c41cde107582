#include "tasks/task/task.h"

#include <cmath>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"

namespace gfn {

nlohmann::json FiniteOrNull(double value) { return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(); }

Status WriteEvalRecord(const RunPaths& paths, const EvalResult& result) {
  nlohmann::json record = result.numbers;
  record.update(result.pictures);
  return WriteJsonFile(JoinPath(paths.root, "eval_" + result.name + ".json"), record);
}

StatusOr<std::unique_ptr<TrainingLoop>> Task::MakeLoop(Trainer&) { return std::unique_ptr<TrainingLoop>(); }

Status Task::LoadLearned(const std::string&) { return OkStatus(); }

StatusOr<std::string> Task::Merge(const std::string&, const std::string&) {
  return InvalidArgument("this run trains no adapter of a model: there is nothing to merge");
}

}  // namespace gfn
