// A reward that a program of the user's computes. It is asked in lines of JSON:
//   {"texts": [{"x": "...", "y": "...", "text": "...", "stop": "."}, ...]}      ("text" is the hidden text without its stop)
// and answers each with one line, a number for each text in nats, higher is better:
//   {"log_rewards": [-1.5, ...]}
#pragma once

#include <memory>
#include <string>

#include "tasks/text/reward_terms.h"

namespace gfn {

// Starts the program. Values fail with FailedPrecondition naming the program, what was wrong and its last words on standard
// error: an end, a time-out, a line that is no answer, too few or too many numbers, one that is not finite.
StatusOr<std::unique_ptr<const TextTerm>> MakeCommandTerm(const CommandTerm& config, const std::string& name,
                                                          const Tokenizer& tokenizer);

}  // namespace gfn
