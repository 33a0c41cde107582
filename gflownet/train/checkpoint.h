// Checkpoints: a folder checkpoints/step_000123 is written beside its place, synced and renamed, so that one of this
// name is whole; its manifest.json holds size and XXH64 of every file and of itself, so that damage done later is found.
// A damaged checkpoint is refused with its reason and the one before it is used.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

// What is written, and the oldest that is read. 2: `identity` joined.
inline constexpr int64_t kCheckpointFormat = 2;
inline constexpr int64_t kOldestCheckpointFormat = 1;

struct CheckpointFile {
  std::string name;  // relative to the folder, '/' between parts
  int64_t bytes = 0;
  uint64_t digest = 0;  // XXH64
};

struct BestScore {
  int64_t step = 0;
  double score = 0;
};

struct CheckpointManifest {
  int64_t format = kCheckpointFormat;
  int64_t step = 0;
  std::string config;                              // resolved YAML
  int64_t metrics_bytes = 0;                       // length of metrics.jsonl
  std::map<std::string, std::string> environment;  // what bitwise equality depends on: binary, cpu, device, threads...
  // What the parameters belong to (base weights, tokenizer): with anything else they are another sampler. Empty: not recorded.
  std::map<std::string, std::string> identity;
  // State of the driver (train/drive.h).
  int64_t last_evaluation = -1;  // step; -1: none
  int64_t evaluations_without_gain = 0;
  std::optional<BestScore> best;
  std::vector<CheckpointFile> files;  // filled in by WriteCheckpoint
};

// "step_000123".
std::string CheckpointName(int64_t step);

// Lets `save` write files into a new folder and makes it a checkpoint; returns its path. On an error (a full disk) nothing
// remains of it and older ones are untouched. A checkpoint of the same step is replaced.
StatusOr<std::string> WriteCheckpoint(const std::string& checkpoints, CheckpointManifest manifest,
                                      const std::function<Status(const std::string& folder)>& save);

// What differs, as text ("weights: a -> b"); "" where one of the two was not recorded or nothing differs.
std::string IdentityDifference(const CheckpointManifest& manifest, const std::map<std::string, std::string>& identity);

// The manifest alone, checked against its own digest.
StatusOr<CheckpointManifest> ReadManifest(const std::string& checkpoint);
// The manifest, with every file checked against it. DataLoss says which file and how.
StatusOr<CheckpointManifest> VerifyCheckpoint(const std::string& checkpoint);

struct RejectedCheckpoint {
  std::string path;
  std::string reason;
};
struct FoundCheckpoint {
  std::string path;
  CheckpointManifest manifest;
  std::vector<RejectedCheckpoint> rejected;  // newer ones, newest first
};
// The newest valid one. NotFound if there is none at all, DataLoss with all reasons if all are damaged.
StatusOr<FoundCheckpoint> LatestValidCheckpoint(const std::string& checkpoints);
// The one with the best score, as the newest valid one knows it; that one itself if nothing was evaluated.
StatusOr<FoundCheckpoint> BestCheckpoint(const std::string& checkpoints);

struct CheckpointHealth {
  std::string path;
  int64_t step = 0;
  int64_t bytes = 0;  // of all files, as the manifest says
  Status status;      // OK, or what is wrong
  bool is_best = false;
};
// Every checkpoint, verified, oldest first, for `gfn describe`.
StatusOr<std::vector<CheckpointHealth>> ListCheckpoints(const std::string& checkpoints);

// Whether anything was ever saved here: a checkpoint, healthy, damaged or set aside. True where that cannot be seen.
bool HasCheckpoints(const std::string& checkpoints);
// Renames a damaged checkpoint to rejected_step_000123, so that it neither counts nor is in the way; the new path.
StatusOr<std::string> SetAside(const std::string& checkpoint);
// Removes all but the newest `keep`, those that one of them names as the best, and those in which somebody has put files of his
// own.
Status PruneCheckpoints(const std::string& checkpoints, int64_t keep);
// Removes what processes that died while writing have left.
Status RemoveUnfinishedCheckpoints(const std::string& checkpoints);

}  // namespace gfn
