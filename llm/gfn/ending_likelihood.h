// log p(ending | x z stop) of whole objects, for the ending y of their condition and for each of its rivals.
// Shapes: B rows, E endings of a condition (y first), R rows of the head.
#pragma once

#include <ATen/core/Tensor.h>

#include "gflownet/core/trajectory.h"
#include "llm/gfn/sequence_environment.h"
#include "llm/model/language_model.h"

namespace gfn {

// float64 [B, E], differentiable in the adapter's tensors where context.with_grad is set. All conditions of the batch have y and
// as many rivals. One forest: x once a condition, what objects share once.
at::Tensor EndingLogLikelihoods(const LanguageModel& model, const SequenceEnvironment& environment, const TrajectoryBatch& batch,
                                const ForwardContext& context);

}  // namespace gfn
