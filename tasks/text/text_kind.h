// What a task on a language model says of itself. TextTask (text_task.h) does everything else for all of them: data, training,
// validation, evaluation, samples, scores, doctor, memory, export and report. Every default is that of a likelihood
// R(z) = p_LM(z stop y | x) over the configuration's support.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "llm/gfn/sampler_evaluation.h"
#include "llm/gfn/token_rules.h"
#include "report/report.h"
#include "tasks/task/task.h"
#include "tasks/text/text_data.h"

namespace gfn {

struct TextParts;    // text_parts.h
struct TextSplit;    // text_parts.h
struct PlainObject;  // text_reference.h
struct ExactDraw;    // text_simulated.h

// How reports speak of a task.
struct TextWords {
  std::string subtitle;
  std::string examples;  // what lines of the data are: "stories"
  std::string object;    // what is sampled: "sentence"
  std::string log_z;     // what the bounds are bounds of: "log p(Y|X)"
};

// A number of a sampler on one example; tables show its mean over examples.
struct TextMetric {
  std::string key;
  std::string title;
  int decimals = 2;
  bool in_table = true;  // or in the JSON alone
};

// What a kind says of a sampler's samples on one example.
struct Measured {
  std::map<std::string, double> metrics;  // one that is not set counts for no example
  nlohmann::json pictures;                // what AddToReport draws, under "own" of the evaluation; null: nothing
};

// Which tokens may follow, and what distinguishes these rules from the plain support ("": nothing).
struct TextRules {
  std::unique_ptr<const TokenRules> rules;
  std::string digest;
};

class TextKind {
 public:
  virtual ~TextKind() = default;
  virtual std::string_view name() const = 0;  // the kind, as in YAML
  virtual const TextConfig& config() const = 0;
  virtual TextWords Words() const = 0;

  // What the policy reads behind a prompt template, and what the reward scores before and behind the hidden text.
  virtual StatusOr<SequenceCondition> Encode(const Tokenizer& tokenizer, const std::string& prompt_template,
                                             const TextExample& example) const;
  // What a sampling line calls x and y: lists of one name, or empty for one that has none.
  virtual TextFields LineFields() const;
  virtual StatusOr<TextRules> MakeRules(const TextParts& parts, SequenceSupport support) const;

  // log R, untempered: the weighted sum of the configuration's terms; and its twin for `gfn doctor`: log R of the object's first
  // k tokens and its stop, by the plainest road.
  StatusOr<std::unique_ptr<Reward>> MakeReward(const TextParts& parts) const;
  StatusOr<double> PlainLogReward(const TextParts& parts, const PlainObject& object, int64_t k) const;
  // What is taken from the likelihood of objects behind which another ending of their condition is the likelier one.
  virtual double RivalPenalty() const;
  // The temperature of the target that evaluations measure against; 1: R itself.
  virtual double EvaluationTemperature(const RunSettings& settings) const;
  // Known objects for a warm start: the references, where the configuration gives them. What is made at a cost is kept in the
  // file `cache`.
  virtual StatusOr<TrajectoryBatch> GivenObjects(TextParts& parts, const TextSplit& train, const std::string& cache,
                                                 const LogFunction& log) const;

  // Exact draws of the posterior, each of a condition of its own: the frozen model goes on from beginnings of the examples, and
  // what is outside the support is drawn again. Unimplemented: the task does not know where a hidden text that it draws would
  // end.
  virtual StatusOr<std::vector<ExactDraw>> ExactDraws(TextParts& parts, const std::vector<TextExample>& examples,
                                                      int64_t num) const;

  // Metrics beside the shared ones (text_metrics.h): which, and those of one example. `policy` drew the samples.
  virtual std::vector<TextMetric> Metrics() const;
  virtual StatusOr<Measured> Measure(const TextParts& parts, const TextExample& example, const Policy& policy,
                                     const ConditionSamples& samples) const;
  // What a report says of an evaluation (eval_<name>.json) beside its table and pictures.
  virtual void AddToReport(const nlohmann::json& evaluation, report::Section& section) const;
};

// The part of a kind that its configuration decides. `Config` derives from TextConfig and has kKind; MakeTextKind(const Config&)
// stands beside it.
template <class Config>
class TextKindOf : public TextKind {
 public:
  explicit TextKindOf(Config config) : config_(std::move(config)) {}
  std::string_view name() const final { return Config::kKind; }
  const Config& config() const final { return config_; }

 private:
  Config config_;
};

}  // namespace gfn
