// What the two halves of checkpoint.h share.
#pragma once

#include <string>

#include "gflownet/base/status.h"
#include "gflownet/train/checkpoint.h"

namespace gfn {

inline constexpr char kManifestName[] = "manifest.json";

Status WriteManifest(const std::string& checkpoint, const CheckpointManifest& manifest);

}  // namespace gfn
