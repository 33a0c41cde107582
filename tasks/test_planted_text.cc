#include "tasks/test_planted_text.h"

#include <algorithm>

#include "llm/gfn/trajectory_tokens.h"

namespace gfn {
namespace {

using SamplerPlant = std::function<void(TextParts&, PlantedText&)>;

LoraGroup& GroupOf(Adapter& adapter, size_t layer, Slot slot) { return adapter.layers[layer][static_cast<size_t>(slot)]; }

SamplerPlant Adapters(const AdapterPolicy::Change& sampling, const AdapterPolicy::Change& scoring) {
  return [=](TextParts& parts, PlantedText& planted) {
    planted.sampler.policy = &planted.Make<AdapterPolicy>(parts, sampling, scoring);
  };
}

SamplerPlant Sessions(const OtherSessions::Wrap& wrap) {
  return
      [=](TextParts& parts, PlantedText& planted) { planted.sampler.policy = &planted.Make<OtherSessions>(*parts.policy, wrap); };
}

SamplerPlant Scores(const OtherScores::Change& change) {
  return
      [=](TextParts& parts, PlantedText& planted) { planted.sampler.policy = &planted.Make<OtherScores>(*parts.policy, change); };
}

SamplerPlant LegalActions(const OtherSupport::Change& change) {
  return [=](TextParts& parts, PlantedText& planted) {
    planted.sampler.environment = &planted.Make<OtherSupport>(*parts.environment, change);
  };
}

// The scorer with masks of its own.
SamplerPlant ScorerSupport(const std::function<void(SequenceSupport&)>& change) {
  return [=](TextParts& parts, PlantedText& planted) {
    SequenceSupport support = parts.environment->support();
    change(support);
    std::shared_ptr<SequenceEnvironment> other =
        SequenceEnvironment::Create(std::move(support), parts.conditions, "other", {}).value();
    planted.pieces.push_back(other);
    const auto& scorer = planted.Make<SequencePolicy>(*parts.model, &parts.adapter, &parts.parameters, *other);
    planted.sampler.policy = &planted.Make<SplitPolicy>(*parts.policy, scorer);
  };
}

class OtherConditions : public PolicyDecorator {
 public:
  OtherConditions(const TextParts& parts, bool sampling, bool scoring)
      : PolicyDecorator(*parts.policy), parts_(parts), sampling_(sampling), scoring_(scoring) {}
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    return policy_.StartRollout(sampling_ ? Next(conditions_B) : conditions_B);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    TrajectoryBatch other = batch;
    if (scoring_) other.condition_ids = Next(batch.condition_ids);
    return policy_.Score(other, options);
  }

 private:
  std::vector<ConditionId> Next(std::vector<ConditionId> ids) const {
    for (ConditionId& id : ids) id = NextCondition(parts_, id);
    return ids;
  }
  const TextParts& parts_;
  bool sampling_, scoring_;
};

// Keeps another row's cache where rows leave: the first of those that leave in place of the last that stays.
class LeakingSession : public SessionDecorator {
 public:
  LeakingSession(std::unique_ptr<RolloutSession> session, int64_t num_rows)
      : SessionDecorator(std::move(session)), num_live_(num_rows) {}
  void Advance(const at::Tensor& actions_N) override {
    num_live_ = actions_N.size(0);
    SessionDecorator::Advance(actions_N);
  }
  void Keep(const at::Tensor& rows_M) override {
    std::vector<int64_t> rows(rows_M.const_data_ptr<int64_t>(), rows_M.const_data_ptr<int64_t>() + rows_M.numel());
    for (int64_t row = num_live_ - 1; row >= 0; --row) {
      if (std::ranges::find(rows, row) != rows.end()) continue;
      rows.back() = row;
      std::ranges::sort(rows);
      break;
    }
    SessionDecorator::Keep(IndexTensor(rows));
  }

 private:
  int64_t num_live_;
};

// Every row is told the action of the row before it.
class MixedRowsSession : public SessionDecorator {
 public:
  using SessionDecorator::SessionDecorator;
  void Advance(const at::Tensor& actions_N) override { SessionDecorator::Advance(actions_N.roll({1}, {0})); }
};

class TemperedSession : public SessionDecorator {
 public:
  using SessionDecorator::SessionDecorator;
  at::Tensor Logits(const State& state) override { return session_->Logits(state) / 1.1; }
};

// Samples whole rollouts as another session does, and speaks as its own.
class OtherWholeRollouts : public PolicyDecorator {
 public:
  OtherWholeRollouts(const TextParts& parts, const Policy& drawn)
      : PolicyDecorator(*parts.policy), parts_(parts), drawn_(drawn) {}
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    struct Session : SessionDecorator {
      Session(std::unique_ptr<RolloutSession> session, const OtherWholeRollouts& owner)
          : SessionDecorator(std::move(session)), owner(owner) {}
      std::optional<StatusOr<WholeRollout>> SampleWhole(const std::vector<RolloutRow>& rows_B, const RngKey& key) override {
        auto batch = Rollout(*owner.parts_.environment, owner.drawn_, rows_B, key);
        if (!batch.ok()) return batch.status();
        return WholeRollout{*std::move(batch), {}};
      }
      const OtherWholeRollouts& owner;
    };
    return std::make_unique<Session>(policy_.StartRollout(conditions_B), *this);
  }

 private:
  const TextParts& parts_;
  const Policy& drawn_;
};

// Positions behind a first token that an earlier row of the condition has too are off by one in the scorer.
class ShiftedScorer : public PolicyDecorator {
 public:
  explicit ShiftedScorer(const TextParts& parts) : PolicyDecorator(*parts.policy), parts_(parts) {}
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    TrajectoryScores scores = policy_.Score(batch, options);
    const at::NoGradGuard no_grad;
    std::map<std::pair<uint64_t, int32_t>, int64_t> seen;
    at::Tensor log_pf_BT = scores.log_pf_BT.clone();
    for (int64_t row = 0; row < batch.size(); ++row) {
      const PlainObject object = ObjectOf(batch, row);
      if (object.inner.empty() || seen.try_emplace({object.condition.value, object.inner[0]}, row).second) continue;
      const std::vector<int32_t>& prompt = parts_.conditions.Get(object.condition).prompt;
      const at::Tensor logits = ShiftedLogits(*parts_.model, &parts_.adapter, prompt, object.inner, prompt.size() + 1, 1);
      const at::Tensor log_pf_T = LogQOf(logits, *parts_.environment, object).log_pf_T;
      log_pf_BT[row].slice(0, 0, log_pf_T.size(0)).copy_(log_pf_T);
    }
    scores.log_pf_BT = scores.log_pf_BT + (log_pf_BT - scores.log_pf_BT.detach());
    return scores;
  }

 private:
  const TextParts& parts_;
};

// Draws dropout in scores that ask for none.
class DropoutScorer : public PolicyDecorator {
 public:
  using PolicyDecorator::PolicyDecorator;
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    ScoreOptions asked = options;
    asked.with_grad = true;
    TrajectoryScores scores = policy_.Score(batch, asked);
    if (options.with_grad) return scores;
    TrajectoryScores::ForEachTensor(scores, [](const char*, at::Tensor& tensor) {
      if (tensor.defined()) tensor = tensor.detach();
    });
    return scores;
  }
};

// A rollout leaves a trace in the base, as an adapter would that is merged into it and taken out again in bf16.
class WritesToTheBase : public PolicyDecorator {
 public:
  explicit WritesToTheBase(const TextParts& parts)
      : PolicyDecorator(*parts.policy), weight_(parts.model->final_norm().weight_C), before_(weight_.clone()) {}
  ~WritesToTheBase() override { weight_.copy_(before_); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    at::Tensor(weight_).mul_(1 + 1e-3);
    return policy_.StartRollout(conditions_B);
  }

 private:
  at::Tensor weight_, before_;
};

}  // namespace

std::vector<TextMistake> SamplerMistakes() {
  const auto without_adapter = [](Adapter& adapter) {
    for (auto& layer : adapter.layers) layer = {};
  };
  const auto without_scale = [](Adapter& adapter) {
    for (auto& layer : adapter.layers) {
      for (LoraGroup& group : layer) {
        for (LoraPart& part : group.parts) part.scale = 1;
      }
    }
  };
  const auto without_layer = [](Adapter& adapter) { adapter.layers[2] = {}; };
  const auto without_module = [](Adapter& adapter) {
    at::Tensor& b = GroupOf(adapter, 1, Slot::kQkv).parts[2].b;
    b = at::zeros_like(b);
  };
  const auto mixed_modules = [](Adapter& adapter) {
    auto& parts = GroupOf(adapter, 1, Slot::kUp).parts;
    std::swap(parts[0].b, parts[1].b);
  };
  const auto stale = [](Adapter& adapter) {
    ForEachFactor(adapter, [](size_t, at::Tensor& factor) { factor = (factor.detach() * 0.99).contiguous(); });
  };
  const auto all_legal = [](SequenceSupport& support) { support.legal.assign(support.legal.size(), true); };
  return {
      {"the sampler does not apply the adapter", Adapters(without_adapter, {})},
      {"the scorer does not apply the adapter", Adapters({}, without_adapter)},
      {"neither applies the adapter", Adapters(without_adapter, without_adapter)},
      {"alpha / r is left out while sampling", Adapters(without_scale, {})},
      {"alpha / r is left out everywhere", [=](TextParts& parts, PlantedText&) { without_scale(parts.adapter); }},
      {"the sampler leaves out the adapter of one layer", Adapters(without_layer, {})},
      {"both leave out the adapter of one layer", Adapters(without_layer, without_layer)},
      {"the sampler leaves out the adapter of one module", Adapters(without_module, {})},
      {"the adapters of two modules are exchanged", Adapters(mixed_modules, mixed_modules)},
      {"the sampler reads an adapter of some steps ago", Adapters(stale, {})},
      {"the adapter is written into the base and taken out again",
       [](TextParts& parts, PlantedText& planted) { planted.sampler.policy = &planted.Make<WritesToTheBase>(parts); }},
      {"the untrained baseline has the adapter",
       [](TextParts& parts, PlantedText& planted) { planted.sampler.untrained = parts.policy.get(); }},
      {"the vocabulary mask is left out in the scorer", ScorerSupport(all_legal)},
      {"the mask of the last place is left out in the scorer",
       ScorerSupport([](SequenceSupport& support) { support.illegal_last.clear(); })},
      {"the forced stop is not forced in the scorer", ScorerSupport([](SequenceSupport& support) { ++support.max_len; })},
      {"the vocabulary mask is left out in the sampler",
       LegalActions([](const State&, Support& support) { support.vocabulary_A = at::ones_like(support.vocabulary_A); })},
      {"the vocabulary mask is inverted in the sampler",
       LegalActions([](const State&, Support& support) { support.vocabulary_A = support.vocabulary_A.logical_not(); })},
      {"the mask of the last place is left out in the sampler",
       LegalActions([](const State&, Support& support) { support.mask_BA = at::Tensor(); })},
      {"the shortest length is left out in the sampler",
       LegalActions([](const State&, Support& support) { support.stop_legal_B = at::ones_like(support.stop_legal_B); })},
      {"both read another condition's prompt",
       [](TextParts& parts, PlantedText& planted) {
         planted.sampler.policy = &planted.Make<OtherConditions>(parts, true, true);
       }},
      {"the scorer reads another condition's prompt",
       [](TextParts& parts, PlantedText& planted) {
         planted.sampler.policy = &planted.Make<OtherConditions>(parts, false, true);
       }},
      {"both read x in place of the prompt",
       [](TextParts& parts, PlantedText& planted) {
         planted.sampler.policy =
             &planted.Make<SequencePolicy>(*parts.model, &parts.adapter, &parts.parameters, *parts.environment, PromptSource::kX);
       }},
      {"the cache of a finished row goes on as another's",
       Sessions([](auto session) { return std::make_unique<LeakingSession>(std::move(session), 0); })},
      {"rows are told each other's tokens",
       Sessions([](auto session) { return std::make_unique<MixedRowsSession>(std::move(session)); })},
      {"the sampler has a temperature of its own",
       Sessions([](auto session) { return std::make_unique<TemperedSession>(std::move(session)); })},
      {"rollouts in one go draw from the untrained model",
       [](TextParts& parts, PlantedText& planted) {
         planted.sampler.policy = &planted.Make<OtherWholeRollouts>(parts, *parts.untrained);
       }},
      {"positions behind a shared prefix are off by one in the scorer",
       [](TextParts& parts, PlantedText& planted) { planted.sampler.policy = &planted.Make<ShiftedScorer>(parts); }},
      {"dropout is on while scoring",
       [](TextParts& parts, PlantedText& planted) { planted.sampler.policy = &planted.Make<DropoutScorer>(*parts.policy); }},
      {"log q of two rows is exchanged", Scores([](const TrajectoryBatch& batch, TrajectoryScores& scores) {
         if (batch.size() > 1) scores.log_pf_BT = scores.log_pf_BT.roll({1}, {0});
       })},
      {"log q is not renormalised over the legal actions", Scores([](const TrajectoryBatch& batch, TrajectoryScores& scores) {
         scores.log_pf_BT = scores.log_pf_BT - 0.01 * batch.StepMask().to(scores.log_pf_BT.options());
       })},
      {"log q of a forced stop is not 0", Scores([](const TrajectoryBatch& batch, TrajectoryScores& scores) {
         const at::Tensor forced = scores.log_pf_BT.eq(0).logical_and(batch.StepMask().to(scores.log_pf_BT.device()));
         scores.log_pf_BT = scores.log_pf_BT.masked_fill(forced, -1);
       })},
      {"log q(stop) stands one step too late", Scores([](const TrajectoryBatch&, TrajectoryScores& scores) {
         if (scores.log_stop_BT.defined()) scores.log_stop_BT = scores.log_stop_BT.roll({1}, {1});
       })},
  };
}

std::vector<TextMistake> TrainingMistakes() {
  const auto gradient = [](const std::function<at::Tensor(size_t, const at::Tensor&)>& change) {
    return Adapters(
        {}, [=](Adapter& adapter) { ForEachFactor(adapter, [&](size_t i, at::Tensor& factor) { factor = change(i, factor); }); });
  };
  const auto objective = [](const OtherObjective::Change& change) {
    return [=](TextParts&, PlantedText& planted) {
      planted.sampler.objective = &planted.Make<OtherObjective>(*planted.sampler.objective, change);
    };
  };
  return {
      {"two of three gradients are missing", gradient([](size_t i, const at::Tensor& x) { return i % 3 == 0 ? x : x.detach(); })},
      {"one gradient is missing", gradient([](size_t i, const at::Tensor& x) { return i == 7 ? x.detach() : x; })},
      {"one gradient has the wrong sign",
       gradient([](size_t i, const at::Tensor& x) { return i == 4 ? 2 * x.detach() - x : x; })},
      {"one gradient is twice as large", gradient([](size_t i, const at::Tensor& x) { return i == 9 ? 2 * x - x.detach() : x; })},
      {"the gradients of B lack alpha / r",
       gradient([](size_t, const at::Tensor& x) { return x.size(1) < x.size(0) ? 0.5 * x + 0.5 * x.detach() : x; })},
      {"the first tokens get no gradient", Scores([](const TrajectoryBatch&, TrajectoryScores& scores) {
         at::Tensor& log_pf = scores.log_pf_BT;
         if (log_pf.size(1) > 2) log_pf = at::cat({log_pf.slice(1, 0, 2).detach(), log_pf.slice(1, 2)}, 1);
       })},
      {"the temperature is applied twice", objective([](TrajectoryScores&, Targets& targets) {
         targets.log_reward_B = targets.log_reward_B / 0.8;
         if (targets.log_reward_along_BT.defined()) targets.log_reward_along_BT = targets.log_reward_along_BT / 0.8;
       })},
      {"the temperature is not applied", objective([](TrajectoryScores&, Targets& targets) {
         targets.log_reward_B = targets.log_reward_B * 0.8;
         if (targets.log_reward_along_BT.defined()) targets.log_reward_along_BT = targets.log_reward_along_BT * 0.8;
       })},
      {"the objective holds the first tokens fixed", objective([](TrajectoryScores& scores, Targets&) {
         at::Tensor& log_pf = scores.log_pf_BT;
         log_pf = at::cat({log_pf.slice(1, 0, 2).detach(), log_pf.slice(1, 2)}, 1);
       })},
      {"the objective leaves out the first action", objective([](TrajectoryScores& scores, Targets&) {
         at::Tensor& log_pf = scores.log_pf_BT;
         log_pf = at::cat({at::zeros_like(log_pf.slice(1, 0, 1)), log_pf.slice(1, 1)}, 1);
       })},
      {"the objective takes other rows' rewards", objective([](TrajectoryScores&, Targets& targets) {
         targets.log_reward_B = targets.log_reward_B.roll({1}, {0});
         if (targets.log_reward_along_BT.defined()) targets.log_reward_along_BT = targets.log_reward_along_BT.roll({1}, {0});
       })},
  };
}

}  // namespace gfn
