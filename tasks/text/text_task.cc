#include "tasks/text/text_task.h"

#include "gflownet/base/file_util.h"
#include "gflownet/train/signals.h"
#include "llm/format/describe_model.h"
#include "lvm/em_trainer.h"
#include "tasks/task/em_loop.h"
#include "tasks/text/text_checks.h"
#include "tasks/text/text_evaluation.h"
#include "tasks/text/text_metrics.h"

namespace gfn {
namespace {

std::vector<ConditionId> First(const std::vector<ConditionId>& conditions, int64_t max) {
  const size_t count = max == 0 ? conditions.size() : std::min<size_t>(conditions.size(), static_cast<size_t>(max));
  return {conditions.begin(), conditions.begin() + static_cast<int64_t>(count)};
}

// Means over conditions of what the sampler's own samples say of it, under names with a prefix.
Status MeasureSampler(const TextParts& parts, const std::vector<ConditionId>& conditions, const std::string& prefix,
                      StepMetrics& metrics) {
  SamplerEvaluationOptions options = EvaluationOptions(parts);
  // The same draws at every evaluation: differences between steps are paired.
  options.key = {static_cast<uint64_t>(parts.settings.seed), RngPurpose::kEval, 0};
  options.stop_requested = StopRequested;
  ASSIGN_OR_RETURN(const auto samples, SampleConditions(*parts.environment, *parts.policy, *parts.reward, conditions, options));
  for (const auto& [name, mean] : TrainingMetrics(samples)) metrics.Set(prefix + name, mean);
  return OkStatus();
}

class TextTask : public Task {
 public:
  explicit TextTask(std::unique_ptr<TextParts> parts) : parts_(std::move(parts)) {}

  TaskSampler sampler() override {
    return {.environment = parts_->environment.get(),
            .policy = parts_->policy.get(),
            .reward = parts_->reward.get(),
            .conditions = &parts_->conditions,
            .parameters = &parts_->parameters,
            .device = parts_->model->device(),
            .identity = parts_->identity,
            .start = parts_->start};
  }

  StatusOr<TrainingData> LoadTraining(const RunPaths& paths, const LogFunction& log) override {
    const TextData& data = parts_->config().data;
    ASSIGN_OR_RETURN(const TextSplit train, LoadSplit(*parts_, "train", data.train_limit));
    train_ = DistinctConditions(train, log);
    if (log && !data.HasValidation() && parts_->settings.validation.every_steps > 0) {
      log("task.data.validation is empty: evaluations measure conditions that are trained on, and choose no best checkpoint");
    }
    if (data.HasValidation()) {
      ASSIGN_OR_RETURN(const TextSplit validation, LoadSplit(*parts_, "validation"));
      validation_ = validation.conditions;
    }
    TrainingData training;
    training.conditions = train_;
    ASSIGN_OR_RETURN(training.given, parts_->kind->GivenObjects(*parts_, train, paths.given(), log));
    return training;
  }

  StatusOr<std::unique_ptr<TrainingLoop>> MakeLoop(Trainer& trainer) override {
    if (parts_->answer_model == nullptr) return std::unique_ptr<TrainingLoop>();
    LearnerParts parts;
    parts.trainer = &trainer;
    parts.environment = parts_->environment.get();
    parts.policy = parts_->policy.get();
    parts.reward = parts_->reward.get();
    parts.conditions = train_;
    parts.settings = &parts_->settings;
    return MakeEmLoop(parts_->answer_model->config().em, parts, *parts_->answer_model, nullptr);
  }

  Status LoadLearned(const std::string& checkpoint) override {
    if (parts_->answer_model == nullptr) return OkStatus();
    return parts_->answer_model->parameters().Load(JoinPath(checkpoint, EmTrainer::kModelFile));
  }

  StatusOr<Evaluation> Validate() override {
    Evaluation evaluation;
    const int64_t max = parts_->settings.evaluation.max_conditions;
    const auto train_part = First(train_, max), unseen_part = First(validation_, max);
    if (!unseen_part.empty()) RETURN_IF_ERROR(MeasureSampler(*parts_, unseen_part, "validation.", evaluation.metrics));
    // As many of each; 0 unseen ones are no limit.
    RETURN_IF_ERROR(
        MeasureSampler(*parts_, First(train_part, static_cast<int64_t>(unseen_part.size())), "train.", evaluation.metrics));
    // What is trained on says nothing of other texts: without unseen ones no checkpoint is better than the last.
    if (!unseen_part.empty()) evaluation.score = *evaluation.metrics.Find("validation.elbo");
    return evaluation;
  }

  std::vector<std::string> Highlights() const override {
    return {"elbo", "spread", "validation.elbo", "validation.spread", "train.elbo", "train.spread"};
  }

  StatusOr<std::string> Export(const RunPaths& paths, int64_t step) override {
    RETURN_IF_ERROR(ExportAdapter(*parts_, paths.adapter()));
    std::string fitted;
    if (const AnswerModel* answer = parts_->answer_model.get()) {
      const std::string folder = JoinPath(paths.root, "answer_adapter");
      RETURN_IF_ERROR(
          WritePeft(folder, ToPeft(*parts_->model, answer->adapter(), answer->adapter_config(), parts_->settings.model->path)));
      fitted = ", that of p(y | x z) in " + folder;
    }
    const PeftAdapter* own = parts_->source->adapter();
    return "adapter of step " + std::to_string(step) + " in " + paths.adapter() + fitted +
           (own == nullptr ? ""
                           : ", for the base with the adapter in " + parts_->source->adapter_path() +
                                 " merged in (gfn merge writes all of it as one model)");
  }

  StatusOr<EvalResult> Evaluate(const EvalRequest& request) override { return EvaluateText(*parts_, request); }

  Status Sample(const SampleRequest& request, const EmitLine& emit) override { return SampleLines(*parts_, request, emit); }
  Status Score(const ScoreRequest& request, const EmitLine& emit) override { return ScoreLines(*parts_, request, emit); }

  StatusOr<Examination> Examine() override { return ExamineText(*parts_); }

  StatusOr<std::string> Merge(const std::string& folder, const std::string& dtype) override {
    RETURN_IF_ERROR(MergeAdapter(*parts_, folder, dtype));
    return folder;
  }

 private:
  std::unique_ptr<TextParts> parts_;
  std::vector<ConditionId> train_, validation_;
};

class TextPlan : public TaskPlan {
 public:
  TextPlan(std::shared_ptr<const TextKind> kind, const RunSettings& settings) : kind_(std::move(kind)), settings_(settings) {}

  StatusOr<std::unique_ptr<Task>> Build(const LogFunction& log) const override {
    ASSIGN_OR_RETURN(auto parts, BuildTextParts(kind_, settings_, log));
    return std::unique_ptr<Task>(std::make_unique<TextTask>(std::move(parts)));
  }

  StatusOr<std::vector<std::pair<std::string, std::string>>> Describe() const override {
    std::vector<std::pair<std::string, std::string>> lines = {{"model " + settings_.model->path, ""}};
    const auto model = ReadModelConfig(settings_.model->path);
    if (!model.ok())
      return std::vector<std::pair<std::string, std::string>>{
          {"model " + settings_.model->path + ": " + Message(model.status()), ""}};
    for (auto& line : DescribeModelConfig(*model)) lines.push_back(std::move(line));
    ASSIGN_OR_RETURN(const std::string own_folder, OwnAdapterFolder(settings_.model->path, settings_.model->adapter));
    if (!own_folder.empty()) {
      ASSIGN_OR_RETURN(const PeftAdapter own, ReadPeft(own_folder));
      lines.push_back({"its own adapter", DescribePeft(own) + ", in " + own_folder});
    }
    const std::string& path = settings_.model->tokenizer.empty() ? settings_.model->path : settings_.model->tokenizer;
    if (const auto tokenizer = LoadTokenizer(path); tokenizer.ok()) {
      lines.push_back({"tokens " + path, ""});
      for (auto& line : DescribeTokens(**tokenizer, kind_->config().prompt)) lines.push_back(std::move(line));
    } else {
      lines.push_back({"tokens " + path + ": " + Message(tokenizer.status()), ""});
    }
    lines.push_back({"training", ""});
    const StatusOr<LoraConfig> lora = ResolveLora(settings_.lora.value_or(LoraConfig{}));
    if (!lora.ok()) return lora.status();
    lines.push_back({"adapter parameters", std::to_string(NumLoraParameters(*model, *lora)) + " (rank " +
                                               std::to_string(lora->Rank()) +
                                               (lora->path.empty() ? "" : ", starts from " + lora->path) + ")"});
    lines.push_back({"rollouts of a step", std::to_string(settings_.train.trainer.conditions_per_step) + " conditions x " +
                                               std::to_string(settings_.train.trainer.rollouts)});
    return lines;
  }

  StatusOr<MemoryParts> EstimateMemory() const override {
    ASSIGN_OR_RETURN(const ModelConfig model, ReadModelConfig(settings_.model->path));
    RunSettings settings = settings_;
    ASSIGN_OR_RETURN(settings.lora, ResolveLora(settings_.lora.value_or(LoraConfig{})));
    return EstimateTextMemory(*kind_, settings, model);
  }

  std::string MemoryKeys() const override {
    return "train.micro_batch_conditions (memory alone, the same result), train.rollouts, train.conditions_per_step, "
           "evaluation.batch_rows, the lengths of the task or lora.rank, or take model.dtype bf16";
  }

  Status Report(const RunRecord& record, report::Report& page) const override {
    return ReportText(*kind_, settings_, record, page);
  }

 private:
  std::shared_ptr<const TextKind> kind_;
  RunSettings settings_;
};

}  // namespace

StatusOr<std::unique_ptr<Task>> OpenTextSampler(std::shared_ptr<const TextKind> kind, const RunSettings& settings,
                                                const std::optional<SamplerFile>& sampler, const LogFunction& log) {
  ASSIGN_OR_RETURN(auto parts, BuildTextParts(std::move(kind), settings, log, sampler ? &*sampler : nullptr));
  return std::unique_ptr<Task>(std::make_unique<TextTask>(std::move(parts)));
}

std::unique_ptr<TaskPlan> MakeTextPlan(std::shared_ptr<const TextKind> kind, const RunSettings& settings) {
  return std::make_unique<TextPlan>(std::move(kind), settings);
}

}  // namespace gfn
