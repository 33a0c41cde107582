#include "tasks/make_data.h"

#include <filesystem>

#include "gflownet/base/config_reader.h"
#include "gflownet/base/file_util.h"

namespace gfn {

Status MakeData(const std::string& kind, const std::vector<std::string>& overrides, const std::string& folder) {
  std::vector<std::string> keys = {"data.kind=" + kind};
  for (const std::string& key : overrides) keys.push_back("data." + key);
  ASSIGN_OR_RETURN(const DataConfig config, ReadConfigText<DataConfig>("{}", "gfn data " + kind, keys));
  std::error_code error;
  if (std::filesystem::exists(folder, error) && !std::filesystem::is_empty(folder, error))
    return FailedPrecondition(folder + ": holds files already; the data need a folder of their own");
  std::filesystem::create_directories(folder, error);
  if (error) return FailedPrecondition(folder + ": " + error.message());
  return std::visit([&](const auto& data) { return WriteData(data, folder); }, config.data);
}

std::string DataReference() { return DocumentConfig<DataConfig>(); }

}  // namespace gfn
