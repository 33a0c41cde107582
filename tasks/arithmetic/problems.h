// Sums and differences of single digits with their worked solutions (Hu et al. 2310.04363, section 4.4), as `gfn data arithmetic`
// writes them.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"

namespace gfn {

struct ArithmeticData {
  static constexpr std::string_view kKind = "arithmetic";
  int64_t seed = 1;
  std::vector<int64_t> operands = {3, 4};
  std::vector<int64_t> beyond = {5};
  int64_t train = 1000;
  int64_t worked = 50;
  int64_t demonstrations = 50;
  int64_t test = 500;

  template <class V>
  void Visit(V& v) {
    v("seed", seed, "of the draws", NonNegative());
    v("operands", operands, "numbers in a question of training and test", NonEmpty{});
    v("beyond", beyond, "numbers in further test questions, longer than any that is trained on");
    v("train", train, "training questions, spread evenly over operands", AtLeast(1));
    v("worked", worked, "the first so many training questions have their worked solution under \"z\", the others none",
      NonNegative());
    v("demonstrations", demonstrations, "worked questions for prompts, which stand in no other file", AtLeast(1));
    v("test", test, "test questions of each number of operands", AtLeast(1));
  }
  void Validate(ConfigErrors& errors) const;
};

// One question: x, the worked solution z with its full stop, and y.
nlohmann::json ArithmeticLine(const std::string& id, const std::vector<int64_t>& numbers, const std::vector<bool>& minus);

// Writes train.jsonl, demonstrations.jsonl and test_<n>.jsonl into `folder`, which exists. No question stands in two files or
// twice in one. InvalidArgument if there are not as many different questions.
Status WriteData(const ArithmeticData& data, const std::string& folder);

}  // namespace gfn
