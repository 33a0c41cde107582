#include "gflownet/train/run_folder.h"

#include <nlohmann/json.hpp>

#include "gflownet/base/file_util.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/base/text_util.h"
#include "gflownet/train/checkpoint.h"
#include "gflownet/train/environment.h"

namespace gfn {
namespace {

constexpr int64_t kMaxConfigBytes = 16 << 20;

nlohmann::json TakeoverDetails(const RunLock& lock) {
  if (!lock.taken_over().has_value()) return nlohmann::json::object();
  return {{"took_over_from", {{"pid", lock.taken_over()->pid}, {"host", lock.taken_over()->host}}}};
}

}  // namespace

std::string RunPaths::config() const { return JoinPath(root, "resolved.yaml"); }
std::string RunPaths::metrics() const { return JoinPath(root, "metrics.jsonl"); }
std::string RunPaths::timing() const { return JoinPath(root, "timing.jsonl"); }
std::string RunPaths::history() const { return JoinPath(root, "history.jsonl"); }
std::string RunPaths::checkpoints() const { return JoinPath(root, "checkpoints"); }
std::string RunPaths::adapter() const { return JoinPath(root, "adapter"); }
std::string RunPaths::report() const { return JoinPath(root, "report.html"); }
std::string RunPaths::failures() const { return JoinPath(root, "failures"); }
std::string RunPaths::lock() const { return JoinPath(root, "lock"); }

bool IsRunFolder(const std::string& path) { return FileExists(RunPaths{path}.config()); }

RunFolder::RunFolder(RunPaths paths, std::string config_text, RunLock lock)
    : paths_(std::move(paths)), config_text_(std::move(config_text)), lock_(std::move(lock)) {}

StatusOr<RunFolder> RunFolder::Create(const std::string& path, const std::string& config_text) {
  const RunPaths paths{path};
  RETURN_IF_ERROR(MakeFolders(path));
  ASSIGN_OR_RETURN(RunLock lock, RunLock::Acquire(paths.lock()));
  // Looked at under the lock: of two processes that start together one finds the other's run.
  if (IsRunFolder(path)) {
    return FailedPrecondition(path + ": there is a run in this folder; go on with it by --resume, or choose another folder");
  }
  ASSIGN_OR_RETURN(std::vector<std::string> names, ListFolder(path));
  std::erase(names, BaseName(paths.lock()));
  if (!names.empty()) {
    return FailedPrecondition(path + ": a run needs a folder of its own, but this one has: " + Join(names, ", "));
  }
  RETURN_IF_ERROR(MakeFolders(paths.checkpoints()));
  RETURN_IF_ERROR(WriteFileAtomic(paths.config(), config_text));
  RunFolder run(paths, config_text, std::move(lock));
  RETURN_IF_ERROR(run.RecordEvent("created", nlohmann::json::object()));
  return run;
}

StatusOr<RunFolder> RunFolder::Open(const std::string& path) {
  const RunPaths paths{path};
  if (!IsRunFolder(path)) return NotFound(path + ": there is no run in this folder (looked for resolved.yaml)");
  ASSIGN_OR_RETURN(RunLock lock, RunLock::Acquire(paths.lock()));
  ASSIGN_OR_RETURN(std::string config_text, ReadFile(paths.config(), kMaxConfigBytes));
  RETURN_IF_ERROR(MakeFolders(paths.checkpoints()));
  RETURN_IF_ERROR(RemoveUnfinishedCheckpoints(paths.checkpoints()));
  RunFolder run(paths, std::move(config_text), std::move(lock));
  RETURN_IF_ERROR(run.RecordEvent("opened", TakeoverDetails(run.lock_)));
  return run;
}

Status RunFolder::RecordEvent(std::string_view event, const nlohmann::json& details) const {
  nlohmann::json line = details;
  line["time"] = UtcNow();
  line["event"] = event;
  ASSIGN_OR_RETURN(JsonlWriter history, JsonlWriter::Open(paths_.history()));
  RETURN_IF_ERROR(history.Append(line));
  return history.Sync();
}

Status RunFolder::ChangeConfig(const std::string& config_text, const std::vector<ConfigDifference>& changes) {
  nlohmann::json list = nlohmann::json::array();
  for (const ConfigDifference& change : changes) {
    list.push_back({{"key", change.path}, {"old", change.old_value}, {"new", change.new_value}});
  }
  RETURN_IF_ERROR(RecordEvent("config_changed", {{"changes", std::move(list)}}));
  RETURN_IF_ERROR(WriteFileAtomic(paths_.config(), config_text));
  config_text_ = config_text;
  return OkStatus();
}

}  // namespace gfn
