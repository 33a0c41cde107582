// Several runs of one recipe that differ in some keys and in their seeds. Configuration only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"

namespace gfn {

struct SweepAxis {
  std::string key;
  std::vector<std::string> values;

  template <class V>
  void Visit(V& v) {
    v("key", key, "a key of the recipe, \"optimizer.learning_rate\"", Required{}, NonEmpty{});
    v("values", values, "its values, one run or more each", Required{}, NonEmpty{});
  }
};

struct SweepEvaluation {
  std::string split = "test";
  int64_t samples = 0;
  int64_t max_conditions = 0;

  template <class V>
  void Visit(V& v) {
    v("split", split, "what each run is evaluated on: train, validation or test");
    v("samples", samples, "samples of each example; 0: the recipe's", NonNegative());
    v("max_conditions", max_conditions, "only the first so many examples; 0: all", NonNegative());
  }
};

struct SweepConfig {
  std::string name = "sweep";
  std::string recipe;
  std::vector<std::string> set;
  std::vector<SweepAxis> grid;
  int64_t seeds = 1;
  int64_t first_seed = 1;
  SweepEvaluation evaluation;
  std::vector<std::string> metrics;

  template <class V>
  void Visit(V& v) {
    v("name", name, "of the folder in runs/", NonEmpty{});
    v("recipe", recipe, "the YAML file of the runs", Required{}, NonEmpty{});
    v("set", set, "keys that all runs have otherwise than the recipe, \"a.b=c\"");
    v("grid", grid, "keys that vary: every combination of their values is a point");
    v("seeds", seeds, "runs of each point", AtLeast(1));
    v("first_seed", first_seed, "their seeds count from here", NonNegative());
    v("evaluation", evaluation, "how each run is measured");
    v("metrics", metrics, "columns of the table; empty: every metric of the evaluation");
  }
  void Validate(ConfigErrors& errors) const {
    for (const SweepAxis& axis : grid) {
      if (axis.key == "seed") errors.Add("grid", "has the key seed, which `seeds` counts");
    }
  }
};

}  // namespace gfn
