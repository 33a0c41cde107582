// Trajectory batches in and out of safetensors files: replay buffers, given objects, the batch of a failed step.
#pragma once

#include <map>
#include <string>

#include "gflownet/base/status.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

Status WriteTrajectories(const std::string& path, const TrajectoryBatch& batch,
                         const std::map<std::string, std::string>& metadata);

struct StoredTrajectories {
  TrajectoryBatch batch;
  std::map<std::string, std::string> metadata;
};
// Hostile files are refused: unknown names, shapes that disagree, lengths out of range, rewards that are not finite.
StatusOr<StoredTrajectories> ReadTrajectories(const std::string& path);

}  // namespace gfn
