// For tests: config structs with one field of every kind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gflownet/base/config_reader.h"

namespace gfn::config_test {

enum class Schedule { kConstant, kLinear, kCosine };
GFN_ENUM_TABLE(Schedule, {Schedule::kConstant, "constant"}, {Schedule::kLinear, "linear", "falls to 0"},
               {Schedule::kCosine, "cosine"})

struct SubTb {
  static constexpr std::string_view kKind = "subtb";
  double lambda = 0.9;
  bool operator==(const SubTb&) const = default;
  template <class V>
  void Visit(V& v) {
    v("lambda", lambda, "weight of long subtrajectories", Between(0, 1));
  }
};

struct Tb {
  static constexpr std::string_view kKind = "tb";
  double lr_log_z = 0.1;
  std::string init = "zero";
  bool operator==(const Tb&) const = default;
  template <class V>
  void Visit(V& v) {
    v("lr_log_z", lr_log_z, "learning rate of log Z", Positive());
    v("init", init, "first value of log Z", Required{});
  }
};

struct VarGrad {
  static constexpr std::string_view kKind = "vargrad";
  bool operator==(const VarGrad&) const = default;
  template <class V>
  void Visit(V&) {}
};

struct Stage {
  std::string name;
  int steps = 1;
  bool operator==(const Stage&) const = default;
  template <class V>
  void Visit(V& v) {
    v("name", name, "name of the stage", Required{});
    v("steps", steps, "number of steps", AtLeast(1));
  }
};

struct Lengths {
  int64_t min_len = 1;
  int64_t max_len = 10;
  bool operator==(const Lengths&) const = default;
  template <class V>
  void Visit(V& v) {
    v("min_len", min_len, "shortest | allowed", NonNegative());
    v("max_len", max_len, "longest allowed", NonNegative());
  }
  void Validate(ConfigErrors& errors) const {
    if (max_len < min_len) {
      errors.Add("max_len", "is " + std::to_string(max_len) + ", but must be at least min_len (" + std::to_string(min_len) + ")");
    }
  }
};

struct Recipe {
  std::string data;
  double lr = 1e-3;
  int64_t seed = 0;
  bool compat = false;
  Schedule schedule = Schedule::kCosine;
  std::optional<double> clip;
  std::optional<std::string> note;
  std::vector<std::string> targets = {"q_proj", "v_proj"};
  std::vector<double> betas = {0.9, 0.99};
  Lengths lengths;
  std::optional<Lengths> eval_lengths;
  std::vector<Stage> stages;
  std::variant<SubTb, Tb, VarGrad> objective;
  std::vector<std::variant<Tb, SubTb>> extra;
  bool operator==(const Recipe&) const = default;
  template <class V>
  void Visit(V& v) {
    v("data", data, "JSON lines file", Required{});
    v("lr", lr, "learning rate", Positive());
    v("seed", seed, "seed of every draw");
    v("compat", compat, "as in the paper");
    v("schedule", schedule, "of the learning rate");
    v("clip", clip, "largest gradient norm; null: none", Positive());
    v("note", note, "free text", NonEmpty{});
    v("targets", targets, "layers with an adapter", NonEmpty{});
    v("betas", betas, "of AdamW", Range{.min = 0, .max = 1, .max_open = true});
    v("lengths", lengths, "of the answer");
    v("eval_lengths", eval_lengths, "in evaluations; null: as in training");
    v("stages", stages, "one after the other");
    v("objective", objective, "what is minimised");
    v("extra", extra, "further objectives");
  }
  void Validate(ConfigErrors& errors) const {
    if (compat && schedule != Schedule::kConstant) errors.Add("", "compat needs a constant schedule");
  }
};

}  // namespace gfn::config_test
