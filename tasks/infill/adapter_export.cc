// The trained sampler as a PEFT folder.
#include "tasks/infill/infill_parts.h"
#include "tasks/infill/sampler_file.h"

namespace gfn {

Status ExportAdapter(const InfillParts& parts, const std::string& folder) {
  RETURN_IF_ERROR(WritePeft(folder, ToPeft(*parts.model, parts.adapter, parts.adapter_config, parts.settings.model->path)));
  return WriteSamplerFile(parts, folder);
}

}  // namespace gfn
