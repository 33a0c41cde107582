// Rollouts of token sequences that read nothing back before their end: every step of every row is queued, the tokens stay there,
// and one transfer at the end brings them back. A row that is done goes on unread to the last step, which on a device costs less
// than asking.
#pragma once

#include <string>
#include <vector>

#include "gflownet/core/policy.h"
#include "llm/generate/decode_session.h"
#include "llm/gfn/sequence_environment.h"

namespace gfn {

// Why such rows cannot be drawn without their host, for people; "" if they can. Which tokens are legal must depend on the step
// alone, and every action is drawn.
std::string WhyNotOnDevice(const SequenceEnvironment& environment, const std::vector<RolloutRow>& rows_B);

// As RolloutSession::SampleWhole: the same draws at the same addresses; log q stays on the device. The decoder has one row for
// each of rows_B, in their order, and is used up. InvalidArgument where WhyNotOnDevice has a reason.
StatusOr<WholeRollout> SampleOnDevice(DecodeSession& decoder, const SequenceEnvironment& environment,
                                      const std::vector<RolloutRow>& rows_B, const RngKey& key);

}  // namespace gfn
