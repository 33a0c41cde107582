// Texts by one of the methods of gflownet/decoding, as samples that are measured like those of a trained sampler.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gflownet/decoding/decoding_config.h"
#include "tasks/text/text_parts.h"

namespace gfn {

// The samples of one condition, and what they cost.
struct MethodSamples {
  ConditionSamples samples;     // log_q is that of the policy, not of the method
  std::optional<double> log_z;  // of methods that estimate it
  std::optional<double> ess;    // of their weights
  int64_t num_actions = 0;      // tokens that the policy drew or weighed
};

// `num` texts of the condition, fewer where a search finds fewer. `temperature`: T of the target R^(1/T).
StatusOr<MethodSamples> DrawByMethod(const TextParts& parts, const DecodingMethod& method, const Policy& policy,
                                     ConditionId condition, int64_t num, double temperature, const RngKey& key);

// "beam", or "{kind: smc, particles: 64}".
StatusOr<DecodingMethod> ParseMethod(const std::string& text);

}  // namespace gfn
