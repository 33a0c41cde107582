// The command line as a Command. No LibTorch here, so that --help and usage errors answer at once.
#pragma once

#include <optional>
#include <string>

#include "app/commands.h"

namespace gfn {

// Of the three standard streams those that the caller has closed lead to /dev/null. Otherwise the next file that is opened takes
// the number, and what is printed lands in it: a line of progress in metrics.jsonl.
void OpenStandardStreams();

// What the arguments ask for; nothing, with the exit code, after --help and where they are wrong (said on standard error).
// `program`: its name, as people call it; `about`: one sentence for --help.
std::optional<Command> ReadCommandLine(int argc, const char* const* argv, const std::string& program, const std::string& about,
                                       int* exit_code);

}  // namespace gfn
