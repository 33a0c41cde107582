// gfn_sampler.json beside an exported adapter: what a sampler is beyond its weights.
#pragma once

#include <optional>
#include <string>

#include "gflownet/base/status.h"
#include "tasks/text/text_parts.h"

namespace gfn {

struct SamplerFile {
  std::string path;
  std::string task;  // the kind
  std::string prompt;
  SequenceSupport support;  // by token ids, for the vocabulary of the model that it belongs to
  std::string base_weight_hash, tokenizer_digest;
  ModelDtype dtype = ModelDtype::kFloat32;
  std::optional<TextFields> fields;  // absent in files of earlier versions
};

Status WriteSamplerFile(const TextParts& parts, const std::string& folder);

// nullopt if the folder has none. DataLoss naming the key that is wrong; ids are checked against the vocabulary by SupportFor.
StatusOr<std::optional<SamplerFile>> ReadSamplerFile(const std::string& folder);

// The support for a model with this vocabulary; DataLoss for ids outside it.
StatusOr<SequenceSupport> SupportFor(const SamplerFile& file, int64_t vocab_size);

// FailedPrecondition unless base weights and tokenizer are the ones that the file names.
Status CheckBase(const SamplerFile& file, const WeightSource& source, const Tokenizer& tokenizer);

}  // namespace gfn
