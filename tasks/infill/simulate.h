// Joint samples of the frozen model: (z, y) ~ p(z stop y | x) behind given beginnings, restricted to the support by rejection.
// Then z is an exact sample of the posterior p(z | x, y) over the support, for its own y.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/gfn/sequence_environment.h"
#include "llm/model/language_model.h"
#include "llm/tokenizer/tokenizer.h"
#include "tasks/text/text_config.h"

namespace gfn {

struct SimulatedStory {
  size_t example = 0;      // which beginning
  std::vector<int32_t> z;  // inner tokens
  int64_t stop = 0;
  std::vector<int32_t> y;  // up to and including a token with a sentence end
};

struct SimulationRequest {
  const LanguageModel* model = nullptr;
  const Tokenizer* tokenizer = nullptr;
  SequenceSupport support;
  InfillSimulation config;
  std::string sentence_ends;                     // an ending is finished by a token that contains one of these characters
  std::vector<std::vector<int32_t>> beginnings;  // token ids of x
  uint64_t seed = 0;
};

// How many attempts are made at a time; what a signal or a kill may cost.
inline constexpr int64_t kSimulationChunk = 96;

// Attempts `first` to `last` - 1, in this order; about a sixth of them are inside a support of 4 to 10 tokens. An attempt does
// not depend on the others.
StatusOr<std::vector<SimulatedStory>> SimulateStories(const SimulationRequest& request, int64_t first, int64_t last);

}  // namespace gfn
