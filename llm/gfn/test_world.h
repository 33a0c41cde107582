// For tests: a small real model and token worlds on it that can be listed object by object.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/tensor/parameter_set.h"
#include "llm/gfn/likelihood_reward.h"
#include "llm/gfn/sampler_evaluation.h"
#include "llm/gfn/sequence_environment.h"
#include "llm/gfn/sequence_policy.h"
#include "llm/lora/lora.h"

namespace gfn {

// Model and conditions; made for one set of rules.
struct TestWorld {
  using MakeRules = std::function<std::unique_ptr<const TokenRules>(int64_t vocab_size)>;

  std::unique_ptr<WeightSource> source;
  std::unique_ptr<LanguageModel> model;
  SequenceConditionTable table;
  std::vector<ConditionId> conditions;
  std::unique_ptr<SequenceEnvironment> environment;
  std::unique_ptr<LikelihoodReward> reward;

  // legal: ids of inner tokens; illegal_last: those that are not legal in the last place. Without stops objects end by length.
  TestWorld(const std::string& path, ModelDtype dtype, const std::vector<SequenceCondition>& contents,
            const std::vector<int64_t>& legal, std::vector<int64_t> stop_ids, int64_t min_len, int64_t max_len,
            const std::vector<int64_t>& illegal_last = {})
      : TestWorld(path, dtype, contents, [&](int64_t vocab_size) {
          SequenceSupport support{vocab_size, std::vector<bool>(vocab_size, false), std::move(stop_ids), min_len, max_len};
          support.ends_by_length = support.stop_ids.empty();
          if (!illegal_last.empty()) support.illegal_last.assign(vocab_size, false);
          for (const int64_t id : illegal_last) support.illegal_last[id] = true;
          for (const int64_t id : legal) support.legal[id] = true;
          return SupportRules::Create(std::move(support)).value();
        }) {}
  TestWorld(const std::string& path, ModelDtype dtype, const std::vector<SequenceCondition>& contents, const MakeRules& rules) {
    source = OpenModel(path).value();
    model = LanguageModel::Load(*source, {dtype, at::kCPU}).value();
    for (const SequenceCondition& content : contents) conditions.push_back(InsertCondition(table, content).value());
    environment = std::make_unique<SequenceEnvironment>(rules(model->config().vocab_size), table, "test support",
                                                        std::function<std::string(std::vector<int32_t>)>());
    reward = std::make_unique<LikelihoodReward>(*model, *environment, "test likelihood", LikelihoodRewardOptions{});
  }

  // Every object of the first condition.
  std::vector<std::vector<int32_t>> Objects() const { return Objects(conditions[0]); }
  // Every object of a condition, each with its stop at the end where there are stops; the short ones first.
  std::vector<std::vector<int32_t>> Objects(ConditionId id) const {
    const TokenRules& rules = environment->rules();
    std::vector<std::vector<int32_t>> objects, level = {{}};
    while (!level.empty()) {
      std::vector<std::vector<int32_t>> next;
      for (const std::vector<int32_t>& inner : level) {
        if (rules.support().ends_by_length && static_cast<int64_t>(inner.size()) == rules.support().max_len) {
          objects.push_back(inner);
          continue;
        }
        const TokenChoice choice = rules.After(table.Get(id), inner);
        for (int64_t token = 0; token < rules.support().vocab_size; ++token) {
          if (!rules.Allows(choice, token)) continue;
          auto& list = rules.StopIndex(token) >= 0 ? objects : next;
          list.push_back(inner);
          list.back().push_back(static_cast<int32_t>(token));
        }
      }
      level = std::move(next);
    }
    return objects;
  }
};

// A policy with an adapter of its own.
struct TestSampler {
  ParameterSet parameters;
  Adapter adapter;
  std::unique_ptr<SequencePolicy> policy;

  TestSampler(const TestWorld& world, const LoraConfig& config, uint64_t seed, bool share_prefixes = true)
      : adapter(CreateAdapter(*world.model, config, seed, parameters).value()) {
    policy = std::make_unique<SequencePolicy>(*world.model, &adapter, &parameters, *world.environment, PromptSource::kPrompt,
                                              share_prefixes);
  }
};

}  // namespace gfn
