#include <filesystem>

#include "app/app.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"
#include "gflownet/train/checkpoint.h"
#include "tasks/training.h"

namespace gfn {

std::string EditedSettings(const RunPaths& paths) {
  const auto latest = LatestValidCheckpoint(paths.checkpoints());
  if (!latest.ok() || !FileExists(paths.config())) return "";  // a checkpoint may have been copied without its run
  const auto text = ReadFile(paths.config());
  if (!text.ok()) return Message(text.status());
  const auto there = ReadRunConfigText(*text, paths.config());
  if (!there.ok()) return Message(there.status());
  const auto counts = ReadRunConfigText(latest->manifest.config, latest->path);
  if (!counts.ok()) return "";  // said where the checkpoint is used
  std::vector<std::string> edited;
  for (const ConfigDifference& difference : DiffConfigs(*counts, *there)) edited.push_back(FormatDifference(difference));
  return Join(edited, ", ");
}

StatusOr<LoadedRun> LoadRun(const std::string& path, WhichCheckpoint which) {
  LoadedRun run;
  std::string checkpoint;
  const std::filesystem::path given = std::filesystem::absolute(path).lexically_normal();
  if (IsRunFolder(path)) {
    run.paths.root = path;
    ASSIGN_OR_RETURN(const FoundCheckpoint found, which == WhichCheckpoint::kBest
                                                      ? BestCheckpoint(run.paths.checkpoints())
                                                      : LatestValidCheckpoint(run.paths.checkpoints()));
    for (const RejectedCheckpoint& bad : found.rejected) Log("skipping " + bad.path + ": " + bad.reason);
    checkpoint = found.path;
  } else if (FileExists(JoinPath(path, "manifest.json"))) {
    // <run>/checkpoints/step_000123
    run.paths.root = given.parent_path().parent_path().string();
    checkpoint = given.string();
  } else {
    return NotFound(path + ": neither a run folder (resolved.yaml is missing) nor a checkpoint");
  }
  ASSIGN_OR_RETURN(const CheckpointManifest manifest, VerifyCheckpoint(checkpoint));
  run.step = manifest.step;
  run.checkpoint = checkpoint;
  if (const std::string edited = EditedSettings(run.paths); !edited.empty())
    Log(run.paths.config() + " is not what the checkpoint was made with, which is what counts here: " + edited);
  ASSIGN_OR_RETURN(run.config, ReadRunConfigText(manifest.config, checkpoint + " (its configuration)"));
  ASSIGN_OR_RETURN(run.task, BuildTask(run.config, Log));
  if (const std::string other = IdentityDifference(manifest, run.task->sampler().identity); !other.empty()) {
    return FailedPrecondition(checkpoint + ": was trained on something else than what is there now: " + other);
  }
  RETURN_IF_ERROR(LoadTrained(checkpoint, *run.task));
  return run;
}

}  // namespace gfn
