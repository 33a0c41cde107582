// The trained sampler as a PEFT folder.
#include "tasks/text/sampler_file.h"
#include "tasks/text/text_parts.h"

namespace gfn {

Status ExportAdapter(const TextParts& parts, const std::string& folder) {
  RETURN_IF_ERROR(WritePeft(folder, ToPeft(*parts.model, parts.adapter, parts.adapter_config, parts.settings.model->path)));
  return WriteSamplerFile(parts, folder);
}

}  // namespace gfn
