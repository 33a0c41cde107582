// What tasks on a language model share: their data, the policy's prompt, the texts that exist, baselines. Configuration only. A
// task's own struct derives from TextConfig, sets its defaults in its constructor and visits it before its own keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/enum_table.h"
#include "gflownet/decoding/decoding_config.h"
#include "tasks/text/answer_model_config.h"
#include "tasks/text/reward_config.h"

namespace gfn {

// Where the texts of an example stand in a JSON line. Each is a list of paths ("sentences.0", "answer"), joined by a space.
struct TextFields {
  std::string id = "id";
  std::vector<std::string> x = {"x"};
  std::vector<std::string> y = {"y"};
  std::vector<std::string> z = {"z"};
  bool has_y = true;  // no key: does the task know texts behind the hidden one at all

  template <class V>
  void Visit(V& v) {
    v("id", id, "path of the example's name, a text or a number; lines without it are named by their number");
    v("x", x, "paths of what comes before the hidden text", NonEmpty{});
    if (has_y) v("y", y, "paths of what comes after it; an empty list: nothing does (a continuation)");
    v("z", z, "paths of the hidden text itself, used as a reference only; may be absent in the data");
  }
};

// Lines at the end of data.train that are not trained on, where there is one file of everything.
struct HeldOutConfig {
  int64_t validation = 0;
  int64_t test = 0;

  template <class V>
  void Visit(V& v) {
    v("validation", validation, "so many lines before those of test stand for data.validation, which is then empty",
      NonNegative());
    v("test", test, "so many last lines stand for data.test, which is then empty", NonNegative());
  }
};

struct TextData {
  std::string train;
  std::string validation;
  std::string test;
  int64_t train_limit = 0;
  HeldOutConfig held_out;
  bool given_references = false;
  TextFields fields;

  template <class V>
  void Visit(V& v) {
    v("train", train, "JSON lines to train on, or lines of plain text (*.txt) where nothing stands behind the hidden text",
      Required{}, NonEmpty{});
    v("validation", validation,
      "JSON lines for evaluations while training, which choose the best checkpoint; empty: none, and the last "
      "checkpoint counts");
    v("test", test, "JSON lines for `gfn eval --split test`; empty: none");
    v("train_limit", train_limit, "train on the first so many lines only, each of them more often; 0: all", NonNegative());
    v("held_out", held_out, "lines of train that are kept for evaluations");
    v("given_references", given_references,
      "the references of the training lines are given objects: for objective maximum_likelihood (supervised), a warm start "
      "or train.replay_given");
    v("fields", fields, "where the texts stand in a line");
  }
  bool HasValidation() const { return !validation.empty() || held_out.validation > 0; }
};

// Which hidden texts exist.
struct TextSupport {
  int64_t min_len = 4;
  int64_t max_len = 16;
  std::vector<std::string> stop = {"."};
  std::string allowed_characters;
  std::string forbidden_characters = ".!?\n\r";
  std::vector<std::string> forbidden_tokens;
  std::vector<std::string> forbidden_last = {};
  bool last_from_data = false;

  template <class V>
  void Visit(V& v) {
    v("min_len", min_len, "fewest tokens before the stop", NonNegative());
    v("max_len", max_len, "most tokens before the stop, which then is forced", AtLeast(1));
    v("stop", stop, "texts of the tokens that end the hidden text, each one token and each an object of its own", NonEmpty{});
    v("allowed_characters", allowed_characters, "inner tokens are made of these characters alone; empty: of any");
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

// Solved examples that stand in prompts as {D}.
struct Demonstrations {
  std::string data;
  int64_t count = 3;
  std::string format = "{X} {Z} {Y}\n";

  template <class V>
  void Visit(V& v) {
    v("data", data, "JSON lines as those of data, each with its reference; empty: no demonstrations, and {D} is an empty text");
    v("count", count, "the first so many lines", AtLeast(1));
    v("format", format, "one of them, with {X}, {Z} and {Y}", NonEmpty{});
  }
};

// Which model a method of decoding draws from.
enum class Proposal { kUntrained, kTrained };
GFN_ENUM_TABLE(Proposal, {Proposal::kUntrained, "untrained", "the base model"},
               {Proposal::kTrained, "trained", "the sampler that is trained"})

// What the trained sampler is compared with: a model behind a prompt of its own, over the same support, and how objects are got
// out of it.
struct TextBaseline {
  std::string name;
  std::string prompt;
  DecodingMethod method = SamplingMethod{};
  Proposal proposal = Proposal::kUntrained;

  template <class V>
  void Visit(V& v) {
    v("name", name, "its name in evaluations", NonEmpty{});
    v("prompt", prompt, "what it reads, as in prompt", NonEmpty{});
    v("method", method, "how objects are drawn, or searched for");
    v("proposal", proposal, "what they are drawn from");
  }
};

struct TextConfig {
  static constexpr bool kUsesLanguageModel = true;
  TextData data;
  std::string prompt;
  bool prompt_reads_y = true;  // no key: has the policy to see what stands behind the hidden text
  std::string reward_prompt = "{X}";
  Demonstrations demonstrations;
  TextSupport support;
  std::vector<RewardTermConfig> reward = {LikelihoodTerm{}};
  std::vector<TextBaseline> baselines;
  std::optional<AnswerModelConfig> answer_model;  // a key of tasks that fit one
  bool share_prefixes = true;

  template <class V>
  void Visit(V& v) {
    v("data", data, "the examples");
    v("prompt", prompt,
      data.fields.has_y ? "what the policy reads: a text with {X} and {Y}, and {D} for demonstrations; names of special tokens "
                          "in it (\"</s>\") are these tokens"
                        : "what the policy reads: a text with {X}, and {D} for demonstrations; names of special tokens in it "
                          "(\"</s>\") are these tokens",
      NonEmpty{});
    v("reward_prompt", reward_prompt, "what the frozen model of the likelihood reads before the hidden text: a text with {X}",
      NonEmpty{});
    v("demonstrations", demonstrations, "solved examples, which stand for {D} in prompts");
    v("support", support, "which hidden texts exist");
    v("reward", reward, "log R is the weighted sum of these terms", NonEmpty{});
    v("baselines", baselines, "what evaluations compare the sampler with: the untrained model behind fixed prompts", NonEmpty{});
    v("share_prefixes", share_prefixes, "compute what rollouts of a condition have in common once; off only to compare costs");
  }
  void Validate(ConfigErrors& errors) const;
};

}  // namespace gfn
