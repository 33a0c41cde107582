#include <iostream>

#include "app/app.h"
#include "tasks/make_data.h"

namespace gfn {

Status Data(const DataCommand& command) {
  if (command.keys) {
    std::cout << DataReference();
    return OkStatus();
  }
  if (command.kind.empty() || command.out.empty())
    return InvalidArgument("gfn data KIND --out FOLDER; gfn data --keys prints the kinds and what they understand");
  std::vector<std::string> overrides = command.overrides;
  if (command.seed >= 0) overrides.push_back("seed=" + std::to_string(command.seed));
  RETURN_IF_ERROR(MakeData(command.kind, overrides, command.out));
  std::cout << command.out << std::endl;
  return OkStatus();
}

}  // namespace gfn
