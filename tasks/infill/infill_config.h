// The infilling task: what is hidden between a beginning and an ending. Configuration only.
#pragma once

#include <cstdint>
#include <string_view>

#include "tasks/text/text_config.h"

namespace gfn {

// Joint samples (z, y) of the frozen model behind the training beginnings. By construction z is an exact sample of the posterior
// given its y, so maximising log q of it is an unbiased, low-variance start that needs no reward (the sleep phase of Hinton et
// al. 1995). Endings that people wrote are reached by the GFlowNet steps that follow.
struct InfillSimulation {
  int64_t attempts = 0;
  int64_t endings = 1;
  int64_t max_y_len = 24;
  double temperature = 1;

  template <class V>
  void Visit(V& v) {
    v("attempts", attempts,
      "simulated stories, spread over the training beginnings; those outside the support are dropped; 0: none", NonNegative());
    v("endings", endings, "endings drawn behind each hidden text that is inside the support, each of them a story", AtLeast(1));
    v("max_y_len", max_y_len, "an ending that is not finished after so many tokens is dropped", AtLeast(1));
    v("temperature", temperature, "of the simulation; 1 is exact", Positive());
  }
};

struct InfillConfig : TextConfig {
  static constexpr std::string_view kKind = "infill";
  InfillSimulation simulation;

  InfillConfig() {
    prompt = "This story ends like this: {Y}\n\n{X}";
    // Fixed, so that recipes with prompts of their own have something in common.
    baselines = {{"untrained", prompt}, {"left_context", "{X}"}};
  }

  template <class V>
  void Visit(V& v) {
    TextConfig::Visit(v);
    v("simulation", simulation, "given objects for a warm start, simulated by the frozen model");
  }
};

}  // namespace gfn
