#include "gflownet/train/checkpoint.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "gflownet/base/check.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"
#include "gflownet/train/checkpoint_files.h"

namespace gfn {
namespace {

constexpr std::string_view kPrefix = "step_";
constexpr std::string_view kUnfinished = "unfinished_";
constexpr std::string_view kRejected = "rejected_";

// Every file below `folder`, as names relative to it, sorted.
Status ListFiles(const std::string& folder, const std::string& prefix, std::vector<std::string>* files) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder));
  for (const std::string& name : names) {
    const std::string path = JoinPath(folder, name);
    if (FolderExists(path)) {
      RETURN_IF_ERROR(ListFiles(path, prefix + name + "/", files));
    } else {
      files->push_back(prefix + name);
    }
  }
  return OkStatus();
}

// The step of a folder named step_000123, nullopt for any other name.
std::optional<int64_t> StepOfName(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  if (name.empty() || name.find_first_not_of("0123456789") != name.npos) return std::nullopt;
  name.remove_prefix(std::min(name.find_first_not_of('0'), name.size() - 1));
  const std::optional<int64_t> step = ParseInt(name);
  return step;
}

struct Found {
  int64_t step;
  std::string path;
};

// Newest first.
StatusOr<std::vector<Found>> FindCheckpoints(const std::string& checkpoints) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(checkpoints));
  std::vector<Found> found;
  for (const std::string& name : names) {
    if (const std::optional<int64_t> step = StepOfName(name)) found.push_back({*step, JoinPath(checkpoints, name)});
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.step > b.step; });
  return found;
}

Status FillFiles(const std::string& folder, CheckpointManifest* manifest) {
  std::vector<std::string> names;
  RETURN_IF_ERROR(ListFiles(folder, "", &names));
  manifest->files.clear();
  for (const std::string& name : names) {
    const std::string path = JoinPath(folder, name);
    ASSIGN_OR_RETURN(const int64_t bytes, FileSize(path));
    ASSIGN_OR_RETURN(const uint64_t digest, FileDigest(path));
    manifest->files.push_back({name, bytes, digest});
  }
  return OkStatus();
}

// Renames; a folder that is there already changes places with the new one, so that at no time there is none.
Status PutInPlace(const std::string& folder, const std::string& place) {
  if (FolderExists(place)) {
    if (renameat2(AT_FDCWD, folder.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0) {
      RETURN_IF_ERROR(SyncPath(ParentFolder(place)));
      return RemoveAll(folder);
    }
    // Not every file system can; then there is a moment without this one.
    RETURN_IF_ERROR(RemoveAll(place));
  }
  return RenameIntoPlace(folder, place);
}

Status WriteInto(const std::string& folder, const std::string& place, CheckpointManifest* manifest,
                 const std::function<Status(const std::string&)>& save) {
  RETURN_IF_ERROR(MakeFolders(folder));
  RETURN_IF_ERROR(save(folder));
  RETURN_IF_ERROR(FillFiles(folder, manifest));
  RETURN_IF_ERROR(WriteManifest(folder, *manifest));
  RETURN_IF_ERROR(SyncFolderTree(folder));
  return PutInPlace(folder, place);
}

Status CheckFile(const std::string& checkpoint, const CheckpointFile& file) {
  const std::string path = JoinPath(checkpoint, file.name);
  if (!FileExists(path)) return DataLoss(path + ": is missing");
  ASSIGN_OR_RETURN(const int64_t bytes, FileSize(path));
  if (bytes != file.bytes) {
    return DataLoss(path + ": has " + std::to_string(bytes) + " bytes, the manifest says " + std::to_string(file.bytes));
  }
  ASSIGN_OR_RETURN(const uint64_t digest, FileDigest(path));
  if (digest == file.digest) return OkStatus();
  return DataLoss(path + ": its content has checksum " + DigestToHex(digest) + ", the manifest says " + DigestToHex(file.digest));
}

// Whether there are files in it that its manifest does not know.
bool HoldsOtherFiles(const std::string& checkpoint) {
  const StatusOr<CheckpointManifest> manifest = ReadManifest(checkpoint);
  if (!manifest.ok()) return false;
  std::set<std::string> known = {kManifestName};
  for (const CheckpointFile& file : manifest->files) known.insert(file.name);
  std::vector<std::string> names;
  if (!ListFiles(checkpoint, "", &names).ok()) return true;
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return !known.contains(name); });
}

}  // namespace

std::string CheckpointName(int64_t step) {
  GFN_CHECK_GE(step, 0);
  char digits[32];
  std::snprintf(digits, sizeof digits, "%06lld", static_cast<long long>(step));
  return std::string(kPrefix) + digits;
}

StatusOr<std::string> WriteCheckpoint(const std::string& checkpoints, CheckpointManifest manifest,
                                      const std::function<Status(const std::string& folder)>& save) {
  const std::string name = CheckpointName(manifest.step);
  const std::string place = JoinPath(checkpoints, name);
  const std::string folder = JoinPath(checkpoints, std::string(kUnfinished) + name);
  RETURN_IF_ERROR(RemoveAll(folder));
  const Status status = WriteInto(folder, place, &manifest, save);
  if (status.ok()) return place;
  const Status cleaned = RemoveAll(folder);
  return cleaned.ok() ? status : Annotate(status, Message(cleaned));
}

std::string IdentityDifference(const CheckpointManifest& manifest, const std::map<std::string, std::string>& identity) {
  std::vector<std::string> differences;
  for (const auto& [name, value] : identity) {
    const auto recorded = manifest.identity.find(name);
    if (recorded == manifest.identity.end() || recorded->second == value) continue;
    differences.push_back(std::string(name).append(": ").append(recorded->second).append(" -> ").append(value));
  }
  return Join(differences, ", ");
}

StatusOr<CheckpointManifest> VerifyCheckpoint(const std::string& checkpoint) {
  ASSIGN_OR_RETURN(CheckpointManifest manifest, ReadManifest(checkpoint));
  if (StepOfName(BaseName(checkpoint)).value_or(manifest.step) != manifest.step) {
    return DataLoss(checkpoint + ": holds step " + std::to_string(manifest.step));
  }
  for (const CheckpointFile& file : manifest.files) RETURN_IF_ERROR(CheckFile(checkpoint, file));
  return manifest;
}

StatusOr<FoundCheckpoint> LatestValidCheckpoint(const std::string& checkpoints) {
  ASSIGN_OR_RETURN(const std::vector<Found> all, FindCheckpoints(checkpoints));
  if (all.empty()) return NotFound(checkpoints + ": there is no checkpoint");
  FoundCheckpoint found;
  std::vector<std::string> reasons;
  for (const Found& candidate : all) {
    StatusOr<CheckpointManifest> manifest = VerifyCheckpoint(candidate.path);
    if (manifest.ok()) {
      found.path = candidate.path;
      found.manifest = *std::move(manifest);
      return found;
    }
    reasons.push_back(Message(manifest.status()));
    found.rejected.push_back({candidate.path, reasons.back()});
  }
  return DataLoss(checkpoints + ": every checkpoint is damaged: " + Join(reasons, "; "));
}

StatusOr<FoundCheckpoint> BestCheckpoint(const std::string& checkpoints) {
  ASSIGN_OR_RETURN(FoundCheckpoint latest, LatestValidCheckpoint(checkpoints));
  const std::optional<BestScore> best = latest.manifest.best;
  if (!best.has_value() || best->step == latest.manifest.step) return latest;
  latest.path = JoinPath(checkpoints, CheckpointName(best->step));
  ASSIGN_OR_RETURN(latest.manifest, VerifyCheckpoint(latest.path));
  return latest;
}

StatusOr<std::vector<CheckpointHealth>> ListCheckpoints(const std::string& checkpoints) {
  ASSIGN_OR_RETURN(std::vector<Found> all, FindCheckpoints(checkpoints));
  std::vector<CheckpointHealth> list;
  std::optional<BestScore> best;  // as the newest valid one knows it
  bool best_is_known = false;
  for (const Found& found : all) {
    CheckpointHealth health;
    health.path = found.path;
    health.step = found.step;
    const StatusOr<CheckpointManifest> manifest = VerifyCheckpoint(found.path);
    health.status = manifest.status();
    if (manifest.ok()) {
      for (const CheckpointFile& file : manifest->files) health.bytes += file.bytes;
      if (!best_is_known) best = manifest->best;
      best_is_known = true;
    }
    list.push_back(std::move(health));
  }
  for (CheckpointHealth& health : list) health.is_best = best.has_value() && health.step == best->step;
  std::reverse(list.begin(), list.end());
  return list;
}

bool HasCheckpoints(const std::string& checkpoints) {
  const auto names = ListFolder(checkpoints);
  if (!names.ok()) return names.status().code() != absl::StatusCode::kNotFound;
  return std::any_of(names->begin(), names->end(), [](std::string_view name) {
    if (name.starts_with(kRejected)) name.remove_prefix(kRejected.size());
    return StepOfName(name).has_value();
  });
}

StatusOr<std::string> SetAside(const std::string& checkpoint) {
  const std::string place = JoinPath(ParentFolder(checkpoint), std::string(kRejected) + BaseName(checkpoint));
  RETURN_IF_ERROR(RemoveAll(place));
  RETURN_IF_ERROR(RenameIntoPlace(checkpoint, place));
  return place;
}

Status PruneCheckpoints(const std::string& checkpoints, int64_t keep) {
  ASSIGN_OR_RETURN(const std::vector<Found> all, FindCheckpoints(checkpoints));
  const size_t num_kept = std::min(all.size(), static_cast<size_t>(std::max<int64_t>(1, keep)));
  std::set<int64_t> kept_steps;
  for (size_t i = 0; i < num_kept; ++i) {
    kept_steps.insert(all[i].step);
    // One that cannot be read names no best; its own damage is found when it is wanted.
    const StatusOr<CheckpointManifest> manifest = ReadManifest(all[i].path);
    if (manifest.ok() && manifest->best.has_value()) kept_steps.insert(manifest->best->step);
  }
  for (const Found& found : all) {
    if (!kept_steps.contains(found.step) && !HoldsOtherFiles(found.path)) RETURN_IF_ERROR(RemoveAll(found.path));
  }
  return OkStatus();
}

Status RemoveUnfinishedCheckpoints(const std::string& checkpoints) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(checkpoints));
  for (const std::string& name : names) {
    if (name.starts_with(kUnfinished)) RETURN_IF_ERROR(RemoveAll(JoinPath(checkpoints, name)));
  }
  return OkStatus();
}

}  // namespace gfn
