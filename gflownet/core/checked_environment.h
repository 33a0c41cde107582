// An environment whose answers are looked at before anybody works with them: for worlds that this project's tests do not know. An
// answer of a wrong shape or type, an action out of range, a state that is open and allows nothing would else be read past its
// end or show far from its cause.
#pragma once

#include <memory>
#include <stdexcept>

#include "gflownet/core/environment.h"

namespace gfn {

// Says what was returned, by which method, and what is expected.
class ContractError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The same world, whose methods throw ContractError for such an answer; an EnumerableEnvironment where `inner` is one. A world
// with a fast face (core/fast_world.h) comes back as it is: its tensors are made by this library.
std::unique_ptr<Environment> CheckAnswers(std::unique_ptr<Environment> inner);
// Of a world that is borrowed and outlives the result; null where it has a fast face.
std::unique_ptr<Environment> CheckAnswers(const Environment& rules);

}  // namespace gfn
