// A random number: one prompt asks for it, and every token stays legal. Configuration only.
#pragma once

#include <string_view>

#include "tasks/text/text_config.h"

namespace gfn {

struct RandomNumberConfig : TextConfig {
  static constexpr std::string_view kKind = "random_number";

  RandomNumberConfig() {
    data.fields.y.clear();
    data.fields.has_y = false;
    prompt = "{X}";
    support.min_len = 1;
    support.max_len = 5;
    support.stop = {"<|im_end|>"};
    support.forbidden_characters = "";
    reward = {IntegerTerm{}};
    baselines = {{"untrained", "{X}"}};
  }

  // The term that says which numbers are asked for; null: the reward has none.
  const IntegerTerm* Numbers() const {
    for (const RewardTermConfig& term : reward) {
      if (const auto* integer = std::get_if<IntegerTerm>(&term)) return integer;
    }
    return nullptr;
  }
  template <class V>
  void Visit(V& v) {
    TextConfig::Visit(v);
  }
  void Validate(ConfigErrors& errors) const {
    TextConfig::Validate(errors);
    const IntegerTerm* numbers = Numbers();
    if (numbers == nullptr) {
      errors.Add("reward", "needs a term of kind integer, which says what numbers are asked for");
    } else if (numbers->high - numbers->low >= kMostNumbers) {
      errors.Add("reward",
                 "asks for more than " + std::to_string(kMostNumbers) + " numbers, whose probabilities are listed one by one");
    }
  }

  static constexpr int64_t kMostNumbers = 10000;
};

}  // namespace gfn
