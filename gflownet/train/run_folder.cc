#include "gflownet/train/run_folder.h"

#include <nlohmann/json.hpp>

#include "gflownet/base/check.h"
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

// Why a run cannot be started in a folder that has other things in it; OK if it has none.
Status CheckFree(const RunPaths& paths) {
  if (IsRunFolder(paths.root)) {
    return FailedPrecondition(paths.root +
                              ": there is a run in this folder; go on with it by --resume, or choose another folder");
  }
  if (!FolderExists(paths.root)) return OkStatus();
  ASSIGN_OR_RETURN(std::vector<std::string> names, ListFolder(paths.root));
  if (CanBeLock(paths.lock())) std::erase(names, BaseName(paths.lock()));
  if (names.empty()) return OkStatus();
  return FailedPrecondition(paths.root + ": a run needs a folder of its own, but this one has: " + Join(names, ", "));
}

// The folder and those around it that are not there yet, the deepest first.
std::vector<std::string> MissingFolders(std::string path) {
  std::vector<std::string> missing;
  for (; !path.empty() && !FolderExists(path); path = ParentFolder(path)) missing.push_back(path);
  return missing;
}

Status RemoveEmptyFolders(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) RETURN_IF_ERROR(RemoveEmptyFolder(folder));
  return OkStatus();
}

Status And(const Status& status, const Status& cleaned) { return cleaned.ok() ? status : Annotate(status, Message(cleaned)); }

}  // namespace

std::string RunPaths::config() const { return JoinPath(root, "resolved.yaml"); }
std::string RunPaths::metrics() const { return JoinPath(root, "metrics.jsonl"); }
std::string RunPaths::timing() const { return JoinPath(root, "timing.jsonl"); }
std::string RunPaths::history() const { return JoinPath(root, "history.jsonl"); }
std::string RunPaths::checkpoints() const { return JoinPath(root, "checkpoints"); }
std::string RunPaths::adapter() const { return JoinPath(root, "adapter"); }
std::string RunPaths::report() const { return JoinPath(root, "report.html"); }
std::string RunPaths::failures() const { return JoinPath(root, "failures"); }
std::string RunPaths::given() const { return JoinPath(root, "simulated.jsonl"); }
std::string RunPaths::lock() const { return JoinPath(root, "lock"); }

bool IsRunFolder(const std::string& path) { return FileExists(RunPaths{path}.config()); }

RunFolder::RunFolder(RunPaths paths, std::string config_text, RunLock lock)
    : paths_(std::move(paths)), config_text_(std::move(config_text)), lock_(std::move(lock)) {}

StatusOr<RunFolder> RunFolder::Create(const std::string& path, const std::string& config_text) {
  const RunPaths paths{path};
  RETURN_IF_ERROR(CheckFree(paths));
  std::vector<std::string> made = MissingFolders(path);
  if (const Status status = MakeFolders(path); !status.ok()) return And(status, RemoveEmptyFolders(made));
  StatusOr<RunLock> lock = RunLock::Acquire(paths.lock());
  if (!lock.ok()) return And(lock.status(), RemoveEmptyFolders(made));
  // Looked at again under the lock: of two processes that start together one finds the other's run.
  if (const Status status = CheckFree(paths); !status.ok()) {
    if (lock->is_new()) lock->Remove();
    return And(status, RemoveEmptyFolders(made));
  }
  RunFolder run(paths, config_text, *std::move(lock));
  run.is_new_ = true;
  run.made_folders_ = std::move(made);
  if (const Status status = run.Begin(); !status.ok()) return And(status, run.Discard());
  return run;
}

Status RunFolder::Begin() {
  RETURN_IF_ERROR(MakeFolders(paths_.checkpoints()));
  // The history before the configuration, which makes it a run: a folder with a configuration alone was not made here.
  RETURN_IF_ERROR(RecordEvent("created", nlohmann::json::object()));
  return WriteFileAtomic(paths_.config(), config_text_);
}

bool RunFolder::HoldsWork() const { return HasCheckpoints(paths_.checkpoints()) || FileSize(paths_.given()).value_or(0) > 0; }

Status RunFolder::RemoveOwnFiles() const {
  const std::vector<std::string> own = {paths_.config(), paths_.metrics(), paths_.timing(), paths_.history(), paths_.given()};
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(paths_.root));
  for (const std::string& path : own) {
    RETURN_IF_ERROR(RemoveFile(path));
    for (const std::string& name : names) {
      if (IsUnfinishedFile(name, BaseName(path))) RETURN_IF_ERROR(RemoveFile(JoinPath(paths_.root, name)));
    }
  }
  if (FolderExists(paths_.failures())) {
    ASSIGN_OR_RETURN(const std::vector<std::string> failures, ListFolder(paths_.failures()));
    for (const std::string& name : failures) {
      if (name.starts_with(kFailedStep)) RETURN_IF_ERROR(RemoveFile(JoinPath(paths_.failures(), name)));
    }
  }
  if (FolderExists(paths_.checkpoints())) RETURN_IF_ERROR(RemoveUnfinishedCheckpoints(paths_.checkpoints()));
  return RemoveEmptyFolders({paths_.failures(), paths_.checkpoints()});
}

Status RunFolder::StartAgain(const std::string& config_text) {
  GFN_CHECK(!HoldsWork()) << paths_.root;
  RETURN_IF_ERROR(RemoveOwnFiles());
  config_text_ = config_text;
  return Begin();
}

Status RunFolder::Discard() {
  GFN_CHECK(!HoldsWork()) << paths_.root;
  const Status removed = RemoveOwnFiles();
  // An empty file of this name was there before a run of this process: it is not known to be the run's.
  if (!is_new_ || lock_.is_new()) lock_.Remove();
  return removed.ok() ? RemoveEmptyFolders(made_folders_) : removed;
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
