// The base model with the adapter added to its weights, as a Hugging Face folder that stands for the base.

#include "gflownet/base/file_util.h"
#include "llm/format/hf_writer.h"
#include "llm/tokenizer/hf_tokenizer_writer.h"
#include "tasks/text/text_parts.h"

namespace gfn {

Status MergeAdapter(const TextParts& parts, const std::string& folder, const std::string& dtype) {
  const ModelSourceConfig& source = *parts.settings.model;
  const PeftAdapter adapter = ToPeft(*parts.model, parts.adapter, parts.adapter_config, source.path);
  const bool base_is_folder = FolderExists(source.path);
  RETURN_IF_ERROR(WriteHfModel(folder, parts.model->config(), dtype == "bf16" ? at::kBFloat16 : at::kFloat,
                               MergedReader(*parts.source, adapter), base_is_folder ? JoinPath(source.path, "config.json") : ""));
  RETURN_IF_ERROR(ExportTokenizer(source.tokenizer.empty() ? source.path : source.tokenizer, folder));
  // How the base is sampled from, and where it stops.
  const std::string generation = JoinPath(source.path, "generation_config.json");
  if (!FileExists(generation)) return OkStatus();
  ASSIGN_OR_RETURN(const std::string text, ReadFile(generation));
  return WriteFileAtomic(JoinPath(folder, "generation_config.json"), text);
}

}  // namespace gfn
