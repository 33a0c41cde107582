// Integer arithmetic with a tool: the rationale between a question and its answer. Configuration only.
#pragma once

#include <cstdint>
#include <string_view>

#include "tasks/text/text_config.h"

namespace gfn {

struct CalculatorConfig {
  bool enabled = true;
  int64_t max_operands = 2;

  template <class V>
  void Visit(V& v) {
    v("enabled", enabled, "behind \"=\" the calculator's result is forced; off: the model computes by itself");
    v("max_operands", max_operands, "numbers that an expression may have; a longer one is left to the model", AtLeast(1));
  }
};

struct ArithmeticConfig : TextConfig {
  static constexpr std::string_view kKind = "arithmetic";
  CalculatorConfig calculator;

  ArithmeticConfig() {
    prompt = "{X}";
    prompt_reads_y = false;
    support.min_len = 5;
    support.max_len = 32;
    support.stop = {"."};
    support.allowed_characters = " ,0123456789=+-";
    support.forbidden_characters = "";
    baselines = {{"untrained", "{X}"}};
  }

  template <class V>
  void Visit(V& v) {
    TextConfig::Visit(v);
    v("calculator", calculator, "the tool");
  }
};

}  // namespace gfn
