#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/core/log_z.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/device.h"
#include "tasks/task_parts.h"

namespace gfn {
namespace {

std::string SupportDigestOf(const SequenceSupport& support, const Tokenizer& tokenizer) {
  Digest digest;
  for (const bool legal : support.legal) digest.Bool(legal);
  digest.Ints(support.stop_ids).Int(support.min_len).Int(support.max_len);
  return "sequence support " + DigestToHex(digest.value()) + ", tokenizer " + DigestToHex(tokenizer.digest());
}

}  // namespace

StatusOr<std::unique_ptr<TaskParts>> Build(const RunConfig& config, const std::function<void(std::string_view)>& log) {
  auto parts = std::make_unique<TaskParts>();
  parts->config = config;
  SetNumThreads(config.threads);
  ASSIGN_OR_RETURN(const at::Device device, OpenDevice(config.device));
  const InfillConfig& task = std::get<InfillConfig>(config.task);

  if (log) log("loading " + config.model.path);
  ASSIGN_OR_RETURN(parts->source, OpenModel(config.model.path));
  ASSIGN_OR_RETURN(parts->tokenizer, LoadTokenizer(config.model.tokenizer.empty() ? config.model.path : config.model.tokenizer));
  if (parts->tokenizer->vocab_size() > parts->source->config().vocab_size) {
    return InvalidArgument("the tokenizer has " + std::to_string(parts->tokenizer->vocab_size()) + " tokens and the model " +
                           std::to_string(parts->source->config().vocab_size) + ": they do not belong together");
  }
  ASSIGN_OR_RETURN(parts->model, LanguageModel::Load(*parts->source, {config.model.dtype, device}));
  ASSIGN_OR_RETURN(SequenceSupport support, MakeInfillSupport(*parts->tokenizer, task.support, parts->model->config().vocab_size));
  const std::string support_digest = SupportDigestOf(support, *parts->tokenizer);
  const Tokenizer* tokenizer = parts->tokenizer.get();
  ASSIGN_OR_RETURN(parts->environment,
                   SequenceEnvironment::Create(std::move(support), parts->conditions, support_digest,
                                               [tokenizer](const std::vector<int32_t>& tokens) {
                                                 return tokenizer->Decode(tokens, {.show_special = true, .continuation = true});
                                               }));
  ASSIGN_OR_RETURN(parts->adapter, CreateAdapter(*parts->model, config.lora, config.seed, parts->parameters));
  const SequenceEnvironment& environment = *parts->environment;
  const LanguageModel& model = *parts->model;
  parts->policy = std::make_unique<SequencePolicy>(model, &parts->adapter, &parts->parameters, environment, PromptSource::kPrompt, task.share_prefixes);
  parts->untrained = std::make_unique<SequencePolicy>(model, nullptr, nullptr, environment, PromptSource::kPrompt, task.share_prefixes);
  parts->left_context = std::make_unique<SequencePolicy>(model, nullptr, nullptr, environment, PromptSource::kX, task.share_prefixes);
  ASSIGN_OR_RETURN(const uint64_t weight_hash, parts->source->weight_hash());
  const std::string reward_digest = "likelihood of x z stop y, weights " + DigestToHex(weight_hash) + ", " + std::string(EnumName(config.model.dtype));
  LikelihoodRewardOptions reward_options;
  reward_options.share_prefixes = task.share_prefixes;
  parts->reward = std::make_unique<LikelihoodReward>(model, environment, reward_digest, reward_options);
  return parts;
}

StatusOr<ConditionId> AddCondition(TaskParts& parts, const std::string& prompt_template, const InfillExample& example) {
  SequenceCondition condition = EncodeCondition(*parts.tokenizer, prompt_template, example.x, example.y);
  const int64_t max_len = parts.environment->support().max_len;
  const int64_t policy_positions = static_cast<int64_t>(condition.prompt.size()) + max_len;
  const int64_t reward_positions = static_cast<int64_t>(condition.x.size() + condition.y.size()) + max_len + 1;
  if (const Status fits = CheckContext(parts.model->config(), std::max(policy_positions, reward_positions)); !fits.ok()) {
    return Annotate(fits, "example " + example.id);
  }
  return InsertCondition(parts.conditions, std::move(condition));
}

StatusOr<TaskSplit> LoadSplit(TaskParts& parts, const std::string& path) {
  const InfillConfig& task = std::get<InfillConfig>(parts.config.task);
  TaskSplit split;
  ASSIGN_OR_RETURN(split.examples, ReadInfillExamples(path, task.data.fields));
  for (const InfillExample& example : split.examples) {
    ASSIGN_OR_RETURN(const ConditionId id, AddCondition(parts, task.prompt, example));
    ASSIGN_OR_RETURN(const ConditionId baseline, AddCondition(parts, kBaselinePrompt, example));
    split.conditions.push_back(id);
    split.baseline_conditions.push_back(baseline);
  }
  return split;
}

StatusOr<TrainingParts> MakeTraining(TaskParts& parts, const TaskSplit& train, const TrajectoryBatch& given, const std::string& failure_folder) {
  const RunConfig& config = parts.config;
  TrainingParts training;
  ASSIGN_OR_RETURN(training.objective, MakeObjective(config.objective));
  const Policy* policy = parts.policy.get();
  if (training.objective->needs().Has(Need::kLogZ)) {
    training.with_log_z = std::make_unique<LogZPolicy>(*parts.policy, parts.conditions, parts.parameters, at::Tensor());
    policy = training.with_log_z.get();
  }
  if (config.train.trainer.warm_start_steps > 0) {
    ASSIGN_OR_RETURN(training.warm_start, MakeObjective(std::get<0>(config.warm_start)));
  }
  ASSIGN_OR_RETURN(Optimizer optimizer, Optimizer::Create(config.optimizer, &parts.parameters));
  training.optimizer = std::make_unique<Optimizer>(std::move(optimizer));
  TrainerParts trainer;
  trainer.environment = parts.environment.get();
  trainer.policy = policy;
  trainer.reward = parts.reward.get();
  trainer.objective = training.objective.get();
  trainer.warm_start = training.warm_start.get();
  trainer.parameters = &parts.parameters;
  trainer.optimizer = training.optimizer.get();
  trainer.conditions = train.conditions;
  trainer.given = given;
  trainer.failure_folder = failure_folder;
  trainer.seed = static_cast<uint64_t>(config.seed);
  ASSIGN_OR_RETURN(training.trainer, Trainer::Create(config.train.trainer, trainer));
  return training;
}

}  // namespace gfn
