// What a task on a language model is made of: model, tokenizer, adapter, world, policies and reward, built in one place.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "llm/format/weight_source.h"
#include "llm/gfn/likelihood_reward.h"
#include "llm/gfn/sampler_evaluation.h"
#include "llm/gfn/sequence_environment.h"
#include "llm/gfn/sequence_policy.h"
#include "llm/lora/lora.h"
#include "llm/tokenizer/tokenizer.h"
#include "tasks/task/task.h"
#include "tasks/text/answer_model.h"
#include "tasks/text/reward_terms.h"
#include "tasks/text/text_data.h"
#include "tasks/text/text_kind.h"

namespace gfn {

// The examples of one split, with the conditions they are.
struct TextSplit {
  std::vector<TextExample> examples;
  std::vector<ConditionId> conditions;  // [examples], in the run's template
};

struct TextParts {
  std::shared_ptr<const TextKind> kind;
  RunSettings settings;  // with model and lora
  // Hashes of the base weights (with the model's own adapter), of the tokenizer and of what the support takes from the data.
  std::map<std::string, std::string> identity;
  std::map<std::string, std::string> start;  // hash of the adapter that lora.path started from
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<WeightSource> source;
  std::unique_ptr<LanguageModel> model;
  SequenceConditionTable conditions;
  std::unique_ptr<SequenceEnvironment> environment;
  ParameterSet parameters;
  Adapter adapter;
  PeftConfig adapter_config;                  // what the adapter goes out with
  std::unique_ptr<AnswerModel> answer_model;  // of a task that fits p(y | x z); else null
  std::vector<NamedTextTerm> text_terms;      // of the reward, beside the likelihood
  std::unique_ptr<SequencePolicy> policy;     // the base with the adapter
  std::unique_ptr<SequencePolicy> untrained;  // the base alone on the prompt
  std::unique_ptr<Reward> reward;

  const TextConfig& config() const { return kind->config(); }
  // Of y in the reward; null: the frozen model alone.
  const Adapter* answer_adapter() const { return answer_model == nullptr ? nullptr : &answer_model->adapter(); }
};

struct SamplerFile;  // sampler_file.h

// Loads model and tokenizer and makes the sampler. Nothing of the data is read. `log` may be empty. `sampler`: its support is
// taken instead of the configuration's; its prompt is the caller's to put into the configuration. An adapter of lora.path that
// names the base it was trained on (gfn_sampler.json beside it) is refused on another one.
StatusOr<std::unique_ptr<TextParts>> BuildTextParts(std::shared_ptr<const TextKind> kind, const RunSettings& settings,
                                                    const LogFunction& log, const SamplerFile* sampler = nullptr);

// The examples of a split of the configuration ("train") and their conditions behind the run's prompt. Contexts that are too long
// for the model are refused by name. `limit`: the first so many only; 0: all.
StatusOr<TextSplit> LoadSplit(TextParts& parts, const std::string& split, int64_t limit = 0);
StatusOr<ConditionId> AddCondition(TextParts& parts, const std::string& prompt_template, const TextExample& example);

// The conditions of a split, each once: several lines may have the same x and y (rationales of one question). `log` hears of
// them.
std::vector<ConditionId> DistinctConditions(const TextSplit& split, const LogFunction& log);

// Saves the sampler for others: the PEFT folder, and beside it gfn_sampler.json with all that the adapter alone does not say
// (template, stops, legal vocabulary, lengths, temperature, hash and stored type of the base weights).
Status ExportAdapter(const TextParts& parts, const std::string& folder);
// Writes the base with the adapter merged in as a Hugging Face folder, in dtype "fp32" or "bf16": weights, the base's config.json
// and generation_config.json, and a tokenizer with what belongs to it; those of a GGUF or llama2.c base are made from its
// metadata.
Status MergeAdapter(const TextParts& parts, const std::string& folder, const std::string& dtype);

}  // namespace gfn
