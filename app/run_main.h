// The whole command line (train, sample, eval, estimate, doctor, describe, report, ...) for a world of one's own, in one line:
//
//   int main(int argc, char** argv) { return gfn::RunMain(argc, argv, CreateMyWorld); }
//
// where `StatusOr<RewardedWorld> CreateMyWorld(const MyWorldConfig&)` makes the world of a configuration
// (tasks/world/own_world.h). Its YAML files say `task: {kind: <MyWorldConfig::kKind>, ...}` with the keys of MyWorldConfig and
// those of every world and run (docs/config.md; `describe --keys` prints them all). Before a world is trained, sampled or
// examined it is held to its contract (gflownet/env/conformance.h). An example is examples/permutations, a guide
// docs/guides/environment.md.
#pragma once

#include "tasks/world/own_world.h"
#include "tasks/world/world.h"

namespace gfn {

// Exit code: 0; 1 for a failure, the world's own mistakes among them; 2 for usage and configuration.
int RunMain(int argc, char** argv, OwnWorldKind kind);

template <class Config, class Result>
int RunMain(int argc, char** argv, StatusOr<Result> (*make)(const Config&)) {
  return RunMain(argc, argv, MakeOwnWorldKind(make));
}

}  // namespace gfn
