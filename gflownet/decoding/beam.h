// Beam search and diverse beam search.
#pragma once

#include "gflownet/decoding/decoding.h"

namespace gfn {

struct BeamOptions {
  int64_t beams = 1;  // hypotheses of a condition, a multiple of groups
  int64_t groups = 1;
  double penalty = 0;  // for each earlier group that took the same action at the same step
};

// The `num` best finished objects of each condition by log q less penalties, num / groups of each group, the best first.
StatusOr<Decoded> BeamSearch(const BeamOptions& options, const DecodingParts& parts, const std::vector<ConditionId>& conditions,
                             int64_t num);

}  // namespace gfn
