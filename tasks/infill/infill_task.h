// The infilling task: what stands between a beginning x and an ending y. R(z) = p_LM(z stop y | x) (Hu et al. 2310.04363, 4.2).
#pragma once

#include <memory>

#include "tasks/infill/infill_config.h"
#include "tasks/text/text_parts.h"

namespace gfn {

std::unique_ptr<TextKind> MakeTextKind(const InfillConfig& config);

// given_objects.cc: stories simulated by the frozen model as given objects, for a warm start (simulation.attempts > 0). They are
// kept in the file `cache`, part by part, so that a resumed run takes up the same ones without computing them again. Cancelled if
// a signal came in between.
StatusOr<TrajectoryBatch> SimulatedObjects(const InfillSimulation& simulation, TextParts& parts, const TextSplit& train,
                                           const std::string& cache, const LogFunction& log);

// given_objects.cc: for TextKind::ExactDraws.
StatusOr<std::vector<ExactDraw>> DrawExactly(const InfillSimulation& simulation, TextParts& parts,
                                             const std::vector<TextExample>& examples, int64_t num);

}  // namespace gfn
