// The infilling task: what is hidden between a beginning and an ending. Configuration only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"

namespace gfn {

// Where the texts of an example stand in a JSON line. Each is a list of paths ("sentences.0", "answer"), joined by a space.
struct InfillFields {
  std::string id = "id";
  std::vector<std::string> x = {"x"};
  std::vector<std::string> y = {"y"};
  std::vector<std::string> z = {"z"};

  template <class V>
  void Visit(V& v) {
    v("id", id, "path of the example's name, a text or a number; lines without it are named by their number");
    v("x", x, "paths of what comes before the hidden text", NonEmpty{});
    v("y", y, "paths of what comes after it; an empty list: nothing does (a continuation)");
    v("z", z, "paths of the hidden text itself, used as a reference only; may be absent in the data");
  }
};

struct InfillData {
  std::string train;
  std::string validation;
  std::string test;
  int64_t train_limit = 0;
  InfillFields fields;

  template <class V>
  void Visit(V& v) {
    v("train", train, "JSON lines to train on", Required{}, NonEmpty{});
    v("validation", validation,
      "JSON lines for evaluations while training, which choose the best checkpoint; empty: none, and the last "
      "checkpoint counts");
    v("test", test, "JSON lines for `gfn eval --split test`; empty: none");
    v("train_limit", train_limit, "train on the first so many lines only, each of them more often; 0: all", NonNegative());
    v("fields", fields, "where the texts stand in a line");
  }
};

// Which hidden texts exist.
struct InfillSupport {
  int64_t min_len = 4;
  int64_t max_len = 16;
  std::vector<std::string> stop = {"."};
  std::string forbidden_characters = ".!?\n\r";
  std::vector<std::string> forbidden_tokens;
  std::vector<std::string> forbidden_last = {};
  bool last_from_data = false;

  template <class V>
  void Visit(V& v) {
    v("min_len", min_len, "fewest tokens before the stop", NonNegative());
    v("max_len", max_len, "most tokens before the stop, which then is forced", AtLeast(1));
    v("stop", stop, "texts of the tokens that end the hidden text, each one token and each an object of its own", NonEmpty{});
    v("forbidden_characters", forbidden_characters,
      "no inner token contains any of these characters, or begins with the last bytes of one, so that tokens cannot spell one "
      "together; tokens of other characters that share bytes with them are allowed");
    v("forbidden_tokens", forbidden_tokens, "texts of further tokens that are not allowed inside");
    v("forbidden_last", forbidden_last,
      "texts of tokens that are not allowed as the last of max_len, behind which the stop is forced: those "
      "that no text ends with");
    v("last_from_data", last_from_data,
      "as the last of max_len only tokens are allowed that stand before a stop somewhere in x and y of the "
      "training data");
  }
};

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

struct InfillConfig {
  static constexpr std::string_view kKind = "infill";
  static constexpr bool kUsesLanguageModel = true;
  InfillData data;
  std::string prompt = "This story ends like this: {Y}\n\n{X}";
  InfillSupport support;
  InfillSimulation simulation;
  bool share_prefixes = true;

  template <class V>
  void Visit(V& v) {
    v("data", data, "the examples");
    v("prompt", prompt,
      "what the policy reads: a text with {X} and {Y}; names of special tokens in it (\"</s>\") are these tokens", NonEmpty{});
    v("support", support, "which hidden texts exist");
    v("simulation", simulation, "given objects for a warm start, simulated by the frozen model");
    v("share_prefixes", share_prefixes, "compute what rollouts of a condition have in common once; off only to compare costs");
  }
  void Validate(ConfigErrors& errors) const;
};

}  // namespace gfn
