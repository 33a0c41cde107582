#include "app/run_main.h"

#include <algorithm>

#include "app/app.h"
#include "app/command_line.h"
#include "gflownet/base/config_make_slot.h"

namespace gfn {

int RunMain(int argc, char** argv, OwnWorldKind kind) {
  OpenStandardStreams();
  const std::string name = kind.kind;
  OfferOwnWorld(std::move(kind));
  TaskConfig task;
  const std::vector<std::string> kinds = std::get<ChoiceSlot>(MakeSlot(task).value).kinds;
  if (std::count(kinds.begin(), kinds.end(), name) > 1)
    return ExitCode(InvalidArgument("'" + name + "' is a kind of task already; another kKind is needed"));
  int exit_code = 0;
  const auto command = ReadCommandLine(argc, argv, argv[0],
                                       "Trains, samples and measures GFlowNets of the world '" + name +
                                           "' and of those of gfn: task: {kind: " + name + "} in a YAML file.",
                                       &exit_code);
  return command.has_value() ? gfn_engine_run(&*command) : exit_code;
}

}  // namespace gfn
