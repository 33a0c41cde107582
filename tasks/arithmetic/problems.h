// Sums and differences of single digits with their worked solutions (Hu et al. 2310.04363, section 4.4), as `gfn data arithmetic`
// writes them.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

struct ArithmeticData {
  uint64_t seed = 1;
  std::vector<int64_t> operands = {3, 4};    // of training and test questions
  std::vector<int64_t> beyond = {5};         // of further test questions, longer than any that is trained on
  int64_t train = 1000;                      // training questions, spread evenly over `operands`
  int64_t demonstrations = 50;               // worked ones for prompts; they are in no other file
  int64_t test = 500;                        // test questions of each number of operands
};

// One question: x, the worked solution z with its full stop, and y.
nlohmann::json ArithmeticLine(const std::string& id, const std::vector<int64_t>& numbers, const std::vector<bool>& minus);

// Writes train.jsonl, demonstrations.jsonl and test_<n>.jsonl into `folder`. No question stands in two files or twice in one.
// InvalidArgument if there are not as many different questions.
Status WriteArithmeticData(const ArithmeticData& data, const std::string& folder);

}  // namespace gfn
