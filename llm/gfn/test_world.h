// For tests: a small real model and token worlds on it that can be listed object by object.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
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

// Model and conditions; made for one support.
struct TestWorld {
  std::unique_ptr<WeightSource> source;
  std::unique_ptr<LanguageModel> model;
  SequenceConditionTable table;
  std::vector<ConditionId> conditions;
  std::unique_ptr<SequenceEnvironment> environment;
  std::unique_ptr<LikelihoodReward> reward;

  // legal: ids of inner tokens; illegal_last: those that are not legal in the last place.
  TestWorld(const std::string& path, ModelDtype dtype, const std::vector<SequenceCondition>& contents,
            const std::vector<int64_t>& legal, std::vector<int64_t> stop_ids, int64_t min_len, int64_t max_len,
            const std::vector<int64_t>& illegal_last = {}) {
    source = OpenModel(path).value();
    model = LanguageModel::Load(*source, {dtype, at::kCPU}).value();
    for (const SequenceCondition& content : contents) conditions.push_back(InsertCondition(table, content).value());
    const int64_t vocab_size = model->config().vocab_size;
    SequenceSupport support{vocab_size, std::vector<bool>(vocab_size, false), std::move(stop_ids), min_len, max_len};
    if (!illegal_last.empty()) support.illegal_last.assign(vocab_size, false);
    for (const int64_t id : illegal_last) support.illegal_last[id] = true;
    for (const int64_t id : legal) support.legal[id] = true;
    environment = SequenceEnvironment::Create(std::move(support), table, "test support", {}).value();
    reward = std::make_unique<LikelihoodReward>(*model, *environment, "test likelihood", LikelihoodRewardOptions{});
  }

  // Every object of the support, each with its stop at the end.
  std::vector<std::vector<int32_t>> Objects() const {
    std::vector<std::vector<int32_t>> objects, level = {{}};
    const SequenceSupport& support = environment->support();
    for (int64_t length = 0; length <= support.max_len; ++length) {
      std::vector<std::vector<int32_t>> next;
      for (const std::vector<int32_t>& inner : level) {
        for (const int64_t stop : support.stop_ids) {
          if (!support.Contains(inner)) break;
          objects.push_back(inner);
          objects.back().push_back(static_cast<int32_t>(stop));
        }
        for (int64_t id = 0; id < support.vocab_size; ++id) {
          if (!support.legal[id]) continue;
          next.push_back(inner);
          next.back().push_back(static_cast<int32_t>(id));
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
