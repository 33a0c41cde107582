// How p(y | x z) is fitted while a sampler learns the rationales z. Configuration only.
#pragma once

#include "llm/lora/lora.h"
#include "lvm/em_config.h"

namespace gfn {

struct AnswerModelConfig {
  LoraConfig lora;
  EmConfig em;

  template <class V>
  void Visit(V& v) {
    v("lora", lora, "its adapter");
    v("em", em, "how the sampler and it take turns");
  }
};

}  // namespace gfn
