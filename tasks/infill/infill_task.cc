#include "tasks/infill/infill_task.h"

#include <filesystem>

#include "gflownet/base/file_util.h"
#include "gflownet/train/signals.h"
#include "llm/format/describe_model.h"
#include "llm/format/hf_writer.h"
#include "tasks/infill/infill_checks.h"
#include "tasks/infill/infill_evaluation.h"

namespace gfn {
namespace {

std::vector<ConditionId> First(const std::vector<ConditionId>& conditions, int64_t max) {
  const size_t count = max == 0 ? conditions.size() : std::min<size_t>(conditions.size(), static_cast<size_t>(max));
  return {conditions.begin(), conditions.begin() + static_cast<int64_t>(count)};
}

// Means over conditions of what the sampler's own samples say of it, under names with a prefix.
Status Measure(const InfillParts& parts, const std::vector<ConditionId>& conditions, const std::string& prefix,
               StepMetrics& metrics) {
  const EvaluationConfig& config = parts.settings.evaluation;
  SamplerEvaluationOptions options;
  options.num_samples = config.samples;
  options.batch_rows = config.batch_rows;
  // The same draws at every evaluation: differences between steps are paired.
  options.key = {static_cast<uint64_t>(parts.settings.seed), RngPurpose::kEval, 0};
  options.stop_requested = StopRequested;
  ASSIGN_OR_RETURN(const auto samples, SampleConditions(*parts.environment, *parts.policy, *parts.reward, conditions, options));
  double elbo = 0, bound = 0, spread = 0, length = 0, log_reward = 0;
  for (const ConditionSamples& condition : samples) {
    elbo += condition.Elbo();
    bound += condition.IwBound();
    spread += condition.Spread();
    length += condition.MeanLength();
    log_reward += condition.MeanLogReward();
  }
  const double n = static_cast<double>(samples.size());
  metrics.Set(prefix + "elbo", elbo / n);
  metrics.Set(prefix + "iw_bound", bound / n);
  metrics.Set(prefix + "spread", spread / n);
  metrics.Set(prefix + "log_reward", log_reward / n);
  metrics.Set(prefix + "length", length / n);
  return OkStatus();
}

class InfillTask : public Task {
 public:
  explicit InfillTask(std::unique_ptr<InfillParts> parts) : parts_(std::move(parts)) {}

  TaskSampler sampler() override {
    return {.environment = parts_->environment.get(),
            .policy = parts_->policy.get(),
            .reward = parts_->reward.get(),
            .conditions = &parts_->conditions,
            .parameters = &parts_->parameters,
            .device = parts_->model->device(),
            .identity = parts_->identity};
  }

  StatusOr<TrainingData> LoadTraining(const RunPaths& paths, const LogFunction& log) override {
    const InfillData& data = parts_->task.data;
    ASSIGN_OR_RETURN(const InfillSplit train, LoadSplit(*parts_, data.train, data.train_limit));
    train_ = train.conditions;
    if (!data.validation.empty()) {
      ASSIGN_OR_RETURN(const InfillSplit validation, LoadSplit(*parts_, data.validation));
      validation_ = validation.conditions;
    }
    TrainingData training;
    training.conditions = train.conditions;
    ASSIGN_OR_RETURN(training.given, MakeGivenObjects(*parts_, train, JoinPath(paths.root, "simulated.jsonl"), log));
    return training;
  }

  StatusOr<Evaluation> Validate() override {
    Evaluation evaluation;
    const int64_t max = parts_->settings.evaluation.max_conditions;
    const auto train_part = First(train_, max), unseen_part = First(validation_, max);
    if (!unseen_part.empty()) RETURN_IF_ERROR(Measure(*parts_, unseen_part, "validation.", evaluation.metrics));
    RETURN_IF_ERROR(Measure(*parts_, First(train_part, std::max<int64_t>(1, static_cast<int64_t>(unseen_part.size()))), "train.",
                            evaluation.metrics));
    evaluation.score = *evaluation.metrics.Find(unseen_part.empty() ? "train.elbo" : "validation.elbo");
    return evaluation;
  }

  std::vector<std::string> Highlights() const override {
    return {"elbo", "spread", "validation.elbo", "validation.spread", "train.elbo", "train.spread"};
  }

  StatusOr<std::string> Export(const RunPaths& paths, int64_t step) override {
    RETURN_IF_ERROR(ExportAdapter(*parts_, paths.adapter()));
    return "adapter of step " + std::to_string(step) + " in " + paths.adapter();
  }

  StatusOr<EvalResult> Evaluate(const EvalRequest& request) override { return EvaluateInfill(*parts_, request); }

  Status Sample(const SampleRequest& request, const EmitLine& emit) override {
    if (request.input.empty())
      return InvalidArgument("--input is missing: JSON lines with the fields of task.data.fields; - is standard input");
    ASSIGN_OR_RETURN(const std::vector<InfillExample> examples,
                     ReadInfillExamples(request.input == "-" ? "/dev/stdin" : request.input, parts_->task.data.fields));
    SamplerEvaluationOptions options;
    options.num_samples = request.num;
    options.batch_rows = parts_->settings.evaluation.batch_rows;
    options.exploration = request.exploration;
    for (size_t i = 0; i < examples.size(); ++i) {
      ASSIGN_OR_RETURN(const ConditionId condition, AddCondition(*parts_, parts_->task.prompt, examples[i]));
      options.key = {request.seed, RngPurpose::kSample, i};
      ASSIGN_OR_RETURN(const auto samples,
                       SampleConditions(*parts_->environment, *parts_->policy, *parts_->reward, {condition}, options));
      for (const SampledText& sample : samples[0].samples) {
        RETURN_IF_ERROR(
            emit({{"id", examples[i].id},
                  {"text", DecodeObject(*parts_->tokenizer, sample.tokens, sample.stop)},
                  {"log_pf", sample.log_q},
                  {"log_reward", sample.log_reward},
                  {"terms", {{"log_p_z", sample.log_p_z}, {"log_p_stop", sample.log_p_stop}, {"log_p_y", sample.log_p_y}}}}));
      }
    }
    return OkStatus();
  }

  StatusOr<Examination> Examine() override { return ExamineInfill(*parts_); }

  StatusOr<std::string> Merge(const std::string& folder, const std::string& dtype) override {
    const ModelSourceConfig& source = *parts_->settings.model;
    const PeftAdapter adapter = ToPeft(*parts_->model, parts_->adapter, *parts_->settings.lora, source.path);
    RETURN_IF_ERROR(WriteHfModel(folder, parts_->model->config(), dtype == "bf16" ? at::kBFloat16 : at::kFloat,
                                 MergedReader(*parts_->source, adapter)));
    // The tokenizer's own files, where the base is a folder that has them.
    const std::string& base = source.tokenizer.empty() ? source.path : source.tokenizer;
    for (const char* name :
         {"tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "merges.txt", "special_tokens_map.json"}) {
      const std::string from = JoinPath(base, name);
      if (FileExists(from))
        std::filesystem::copy_file(from, JoinPath(folder, name), std::filesystem::copy_options::overwrite_existing);
    }
    return folder;
  }

 private:
  std::unique_ptr<InfillParts> parts_;
  std::vector<ConditionId> train_, validation_;
};

class InfillPlan : public TaskPlan {
 public:
  InfillPlan(const InfillConfig& task, const RunSettings& settings) : task_(task), settings_(settings) {}

  StatusOr<std::unique_ptr<Task>> Build(const LogFunction& log) const override {
    ASSIGN_OR_RETURN(auto parts, BuildInfill(task_, settings_, log));
    return std::unique_ptr<Task>(std::make_unique<InfillTask>(std::move(parts)));
  }

  StatusOr<std::vector<std::pair<std::string, std::string>>> Describe() const override {
    std::vector<std::pair<std::string, std::string>> lines = {{"model " + settings_.model->path, ""}};
    const auto model = ReadModelConfig(settings_.model->path);
    if (!model.ok())
      return std::vector<std::pair<std::string, std::string>>{
          {"model " + settings_.model->path + ": " + Message(model.status()), ""}};
    for (auto& line : DescribeModelConfig(*model)) lines.push_back(std::move(line));
    const LoraConfig lora = settings_.lora.value_or(LoraConfig{});
    lines.push_back({"training", ""});
    lines.push_back(
        {"adapter parameters", std::to_string(AdapterParameters(*model, lora)) + " (rank " + std::to_string(lora.rank) + ")"});
    lines.push_back({"rollouts of a step", std::to_string(settings_.train.trainer.conditions_per_step) + " conditions x " +
                                               std::to_string(settings_.train.trainer.rollouts)});
    return lines;
  }

  StatusOr<MemoryParts> EstimateMemory() const override {
    ASSIGN_OR_RETURN(const ModelConfig model, ReadModelConfig(settings_.model->path));
    return EstimateInfillMemory(task_, settings_, model);
  }

  std::string MemoryKeys() const override {
    return "train.micro_batch_conditions (memory alone, the same result), train.rollouts, train.conditions_per_step, "
           "evaluation.batch_rows, the lengths of the task or lora.rank, or take model.dtype bf16";
  }

  Status Report(const RunRecord& record, report::Report& page) const override {
    return ReportInfill(task_, settings_, record, page);
  }

 private:
  InfillConfig task_;
  RunSettings settings_;
};

}  // namespace

std::unique_ptr<TaskPlan> MakeTaskPlan(const InfillConfig& task, const RunSettings& settings) {
  return std::make_unique<InfillPlan>(task, settings);
}

}  // namespace gfn
