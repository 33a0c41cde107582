// The sampler and its reward by the plainest road, for `gfn doctor` to compare with: one sequence at a time as one segment, no
// shared prefix, no cache, no fused head; and the model in float64 on a copy of its own.
// Shapes: n inner tokens, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tasks/text/text_parts.h"

namespace gfn {

// One object of a batch.
struct PlainObject {
  ConditionId condition;
  std::vector<int32_t> inner;  // z_1..z_n
  int64_t stop = 0;
};
PlainObject ObjectOf(const TrajectoryBatch& batch, int64_t row);

// Logits behind the context and behind each of z_1..z_n, [n + 1, V].
at::Tensor PlainLogits(const LanguageModel& model, const Adapter* adapter, const std::vector<int32_t>& context,
                       const std::vector<int32_t>& inner);

// From those logits: log q of every action (the stop is the last) and log q(stop) wherever it is legal, else 0. float64 [n + 1]
struct PlainLogQ {
  at::Tensor log_pf_T, log_stop_T;
};
PlainLogQ LogQOf(const at::Tensor& logits, const SequenceEnvironment& environment, const PlainObject& object);

// log p(z_1..k stop y | x) of the base model, with y by the answer model where there is one, less `rival_penalty` where a rival
// of y is likelier.
double PlainLogLikelihood(const TextParts& parts, const PlainObject& object, int64_t k, double rival_penalty = 0);

// A copy of the model in another type than the run's, with an adapter of the same values.
struct ReferenceModel {
  std::unique_ptr<LanguageModel> model;
  ParameterSet parameters;
  Adapter adapter;
  std::unique_ptr<SequencePolicy> policy;

  // Writes the adapter's share into the weights, W + scale B A: from then on the model alone is the sampler. float64 only.
  void Merge();
};
// In float64 where it fits into memory beside the run's own and is small enough to be run there; else null, with the reason in
// `why_not`.
StatusOr<std::unique_ptr<ReferenceModel>> MakeReference(const TextParts& parts, std::string& why_not);

}  // namespace gfn
