#include <filesystem>
#include <iostream>

#include "app/app.h"
#include "gflownet/base/file_util.h"
#include "llm/format/hf_writer.h"

namespace gfn {

Status Merge(const MergeCommand& command) {
  if (command.dtype != "fp32" && command.dtype != "bf16") return InvalidArgument("unknown --dtype '" + command.dtype + "'; known: fp32, bf16");
  if (FileExists(JoinPath(command.out, "config.json"))) return FailedPrecondition(command.out + " already holds a model");
  ASSIGN_OR_RETURN(const LoadedRun run, LoadRun(command.run, WhichCheckpoint::kBest));
  const TaskParts& parts = *run.parts;
  const PeftAdapter adapter = ToPeft(*parts.model, parts.adapter, parts.config.lora, parts.config.model.path);
  RETURN_IF_ERROR(WriteHfModel(command.out, parts.model->config(), command.dtype == "bf16" ? at::kBFloat16 : at::kFloat,
                               MergedReader(*parts.source, adapter)));
  // The tokenizer's own files, where the base is a folder that has them.
  const std::string& base = parts.config.model.tokenizer.empty() ? parts.config.model.path : parts.config.model.tokenizer;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "merges.txt", "special_tokens_map.json"}) {
    const std::string from = JoinPath(base, name);
    if (FileExists(from)) std::filesystem::copy_file(from, JoinPath(command.out, name), std::filesystem::copy_options::overwrite_existing);
  }
  Log("merged the adapter of step " + std::to_string(run.step));
  std::cout << command.out << std::endl;
  return OkStatus();
}

}  // namespace gfn
