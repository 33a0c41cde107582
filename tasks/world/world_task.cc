#include "tasks/world/world_task.h"

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/tensor/device.h"
#include "gflownet/train/signals.h"
#include "tasks/world/entropy_target.h"
#include "tasks/world/given_objects.h"
#include "tasks/world/world_checks.h"
#include "tasks/world/world_memory.h"
#include "tasks/world/world_metrics.h"
#include "tasks/world/world_policy.h"
#include "tasks/world/world_report.h"
#include "tasks/world/world_sample.h"

namespace gfn {
namespace {

StatusOr<Needs> ObjectiveNeeds(const RunSettings& settings) {
  ASSIGN_OR_RETURN(const auto objective, MakeObjective(settings.objective));
  return objective->needs();
}

class WorldTask : public Task {
 public:
  WorldTask(std::string kind, const WorldSettings& config, const RunSettings& settings, std::unique_ptr<World> world)
      : kind_(std::move(kind)), config_(config), settings_(settings), world_(std::move(world)) {}

  Status Init() {
    ASSIGN_OR_RETURN(const Needs needs, ObjectiveNeeds(settings_));
    ASSIGN_OR_RETURN(policy_, MakeWorldPolicy(*world_, config_, needs, static_cast<uint64_t>(settings_.seed), parameters_));
    ASSIGN_OR_RETURN(truth_, FindTruth(*world_, config_.metrics));
    return OkStatus();
  }

  TaskSampler sampler() override {
    return {.environment = world_->environment.get(),
            .policy = &policy_.trained(),
            .reward = world_->reward.get(),
            .conditions = &world_->conditions,
            .parameters = &parameters_,
            .could_offer = CouldOffer(),
            .identity = world_->identity};
  }

  StatusOr<TrainingData> LoadTraining(const RunPaths&, const LogFunction&) override {
    TrainingData data{world_->training_conditions.empty() ? world_->conditions.ids() : world_->training_conditions, {}};
    if (!config_.given.empty()) {
      ASSIGN_OR_RETURN(data.given,
                       ReadGivenObjects(*world_, policy_.sampler(), config_.given, static_cast<uint64_t>(settings_.seed)));
      // Of a run that trains: what it has learned is sampled and measured without the file.
      ASSIGN_OR_RETURN(const uint64_t digest, FileDigest(config_.given));
      world_->identity["task.given"] = DigestToHex(digest);
    }
    return data;
  }

  StatusOr<std::unique_ptr<TrainingLoop>> MakeLoop(Trainer& trainer) override {
    if (world_->learner == nullptr) return std::unique_ptr<TrainingLoop>();
    LearnerParts parts;
    parts.trainer = &trainer;
    parts.environment = world_->environment.get();
    parts.policy = &policy_.sampler();
    parts.reward = world_->reward.get();
    parts.conditions = world_->training_conditions.empty() ? world_->conditions.ids() : world_->training_conditions;
    parts.settings = &settings_;
    return world_->learner->MakeLoop(parts);
  }

  Status LoadLearned(const std::string& checkpoint) override {
    return world_->learner == nullptr ? OkStatus() : world_->learner->Load(checkpoint);
  }

  StatusOr<Evaluation> Validate() override {
    ASSIGN_OR_RETURN(const WorldMeasurement measurement, Measure(0, 0, settings_.evaluation.max_conditions));
    Evaluation evaluation;
    ASSIGN_OR_RETURN(evaluation.metrics, AllMetrics(measurement));
    // What is learned besides decides; else the distance where it is known, else the bound of log Z.
    if (world_->learner != nullptr) {
      evaluation.score = *evaluation.metrics.Find(world_->learner->Score());
    } else {
      evaluation.score =
          measurement.exact.empty() ? *evaluation.metrics.Find("elbo") : -*evaluation.metrics.Find("total_variation");
    }
    return evaluation;
  }

  std::vector<std::string> Highlights() const override {
    return {"log_likelihood", "coupling_error", "nll",    "posterior_tv", "total_variation",
            "log_z_error",    "elbo",           "spread", "modes"};
  }

  StatusOr<std::string> Export(const RunPaths& paths, int64_t step) override {
    EvalRequest request;
    request.step = step;
    ASSIGN_OR_RETURN(const EvalResult result, Evaluate(request));
    RETURN_IF_ERROR(WriteEvalRecord(paths, result));
    std::string line = "sampler of step " + std::to_string(step) + " measured";
    if (world_->data.has_value()) {
      ASSIGN_OR_RETURN(const std::string text, world_->data->text());
      const std::string path = JoinPath(paths.root, world_->data->name);
      RETURN_IF_ERROR(WriteFileAtomic(path, text));
      line += ", what it was trained on in " + path;
    }
    return line;
  }

  StatusOr<EvalResult> Evaluate(const EvalRequest& request) override {
    if (request.simulated) return InvalidArgument("--simulated: is for tasks on a language model");
    if (!request.data.empty()) return InvalidArgument("--data: a world has no data files");
    ASSIGN_OR_RETURN(const WorldMeasurement measurement, Measure(request.samples, 1, request.max_conditions));
    EvalResult result;
    result.name = "world";
    ASSIGN_OR_RETURN(const StepMetrics metrics, AllMetrics(measurement));
    result.table = WorldTable(*world_, metrics, measurement);
    for (const auto& [name, value] : metrics.values()) result.numbers["metrics"][name] = FiniteOrNull(value);
    result.numbers["step"] = request.step;
    result.numbers["kind"] = kind_;
    if (world_->conditions.size() > 1) result.numbers["conditions"] = WorldConditions(*world_, measurement);
    result.numbers["num_samples"] = measurement.sampled[0].samples.batch.size();
    result.pictures = WorldPictures(*world_, truth_, measurement, Temperature());
    if (world_->learner != nullptr) {
      ASSIGN_OR_RETURN(const nlohmann::json learned, world_->learner->Pictures(policy_.sampler()));
      result.pictures.update(learned);
    }
    return result;
  }

  Status Sample(const SampleRequest& request, const EmitLine& emit) override {
    return SampleWorld(*world_, policy_.sampler(), request, emit);
  }
  Status Score(const ScoreRequest& request, const EmitLine& emit) override {
    return ScoreWorld(*world_, policy_.sampler(), request, emit);
  }

  StatusOr<Examination> Examine() override {
    if (world_->learner != nullptr) {
      ASSIGN_OR_RETURN(truth_, FindTruth(*world_, config_.metrics));  // of the reward as it stands
    }
    // Also an objective that cannot be right here is an illness.
    TrainerParts parts;
    parts.environment = world_->environment.get();
    parts.policy = &policy_.trained();
    parts.reward = world_->reward.get();
    parts.could_offer = CouldOffer();
    ObjectiveSetting setting = SettingOfTraining(settings_.train.trainer, parts);
    setting.has_given = !config_.given.empty();
    ASSIGN_OR_RETURN(const auto objective, MakeObjective(settings_.objective));
    RETURN_IF_ERROR(CheckObjective(*objective, setting));
    return ExamineWorld(*world_,
                        {world_->environment.get(), &policy_.trained(), &policy_.sampler(), world_->reward.get(), objective.get(),
                         Temperature(), &parameters_},
                        truth_);
  }

 private:
  // Heads that MakeWorldPolicy adds for an objective that asks for them.
  Needs CouldOffer() const {
    const Needs flows = Need::kLogFlow | Need::kLogZ;
    const bool discrete = world_->environment->Spec().action == EnvironmentSpec::Action::kDiscrete;
    return discrete ? flows | Need::kLogInflow : flows;
  }
  double Temperature() const { return settings_.train.trainer.reward_temperature.end; }

  StatusOr<WorldMeasurement> Measure(int64_t samples, uint64_t draw, int64_t max_conditions) {
    if (world_->learner != nullptr) {
      ASSIGN_OR_RETURN(truth_, FindTruth(*world_, config_.metrics));  // of the reward as it stands
    }
    const RngKey key{static_cast<uint64_t>(settings_.seed), RngPurpose::kEval, draw};
    const EvaluationConfig& evaluation = settings_.evaluation;
    return MeasureWorld(*world_, truth_, policy_.sampler(),
                        {.num_samples = samples > 0 ? samples : evaluation.samples,
                         .batch_rows = evaluation.batch_rows,
                         .max_conditions = max_conditions > 0 ? max_conditions : world_->num_measured,
                         .top_k = config_.metrics.top_k,
                         .temperature = Temperature(),
                         .key = key,
                         .stop_requested = StopRequested});
  }

  StatusOr<StepMetrics> AllMetrics(const WorldMeasurement& measurement) const {
    StepMetrics metrics = ToMetrics(measurement);
    if (world_->learner != nullptr) {
      ASSIGN_OR_RETURN(const StepMetrics learned, world_->learner->Measure(policy_.sampler(), LogZOf(measurement)));
      metrics.Merge(learned);
    }
    if (policy_.with_log_z == nullptr) return metrics;
    const at::Tensor log_z_C = policy_.log_z_C().to(at::kDouble);
    metrics.Set("learned_log_z", log_z_C.mean().item<double>());
    double error = 0;
    for (size_t i = 0; i < measurement.exact.size(); ++i)
      error += std::abs(log_z_C[static_cast<int64_t>(i)].item<double>() - measurement.exact[i].error.log_z);
    if (!measurement.exact.empty()) metrics.Set("log_z_error", error / static_cast<double>(measurement.exact.size()));
    return metrics;
  }

  std::string kind_;
  WorldSettings config_;
  RunSettings settings_;
  std::unique_ptr<World> world_;
  ParameterSet parameters_;
  WorldPolicy policy_;
  std::vector<ExactTruth> truth_;  // of each condition; empty without exact metrics
};

class WorldPlan : public TaskPlan {
 public:
  WorldPlan(std::string kind, WorldMaker make, const WorldSettings& config, const RunSettings& settings)
      : kind_(std::move(kind)), make_(std::move(make)), config_(config), settings_(settings) {}

  StatusOr<std::unique_ptr<Task>> Build(const LogFunction&) const override {
    SetNumThreads(settings_.threads);
    ASSIGN_OR_RETURN(const at::Device device, OpenDevice(settings_.device));
    if (!device.is_cpu()) return InvalidArgument("device: worlds are trained on cpu, found " + settings_.device);
    ASSIGN_OR_RETURN(std::unique_ptr<World> world, Make());
    if (world->contract) RETURN_IF_ERROR(world->contract());
    auto task = std::make_unique<WorldTask>(kind_, config_, settings_, std::move(world));
    RETURN_IF_ERROR(task->Init());
    return std::unique_ptr<Task>(std::move(task));
  }

  StatusOr<std::vector<std::pair<std::string, std::string>>> Describe() const override {
    ASSIGN_OR_RETURN(const std::unique_ptr<World> world, Make());
    const EnvironmentSpec& spec = world->environment->Spec();
    std::vector<std::pair<std::string, std::string>> lines = {{"world " + kind_, ""}};
    lines.insert(lines.end(), world->facts.begin(), world->facts.end());
    lines.push_back(
        {"actions", std::to_string(spec.num_actions) + ", at most " + std::to_string(spec.max_steps) + " in a trajectory"});
    lines.push_back({"shape", std::string(spec.is_tree ? "tree" : "DAG") + (spec.is_stochastic ? ", stochastic" : "")});
    ASSIGN_OR_RETURN(const int64_t exact_states, NumExactStates(*world, config_.metrics));
    lines.push_back(
        {"exact metrics", exact_states > 0 ? "yes, over " + std::to_string(exact_states) + " states" : "no, from samples"});
    lines.push_back({"training", ""});
    ASSIGN_OR_RETURN(const Needs needs, ObjectiveNeeds(settings_));
    ASSIGN_OR_RETURN(const double parameters, NumWorldParameters(*world, config_, needs));
    const std::string count = parameters < 9e15 ? std::to_string(static_cast<int64_t>(parameters)) : FormatShort(parameters);
    lines.push_back({"policy", std::string(std::visit([]<class T>(const T&) { return T::kKind; }, config_.policy)) + ", " +
                                   count + " parameters"});
    lines.push_back({"rollouts of a step", std::to_string(settings_.train.trainer.rollouts)});
    return lines;
  }

  StatusOr<MemoryParts> EstimateMemory() const override {
    ASSIGN_OR_RETURN(const std::unique_ptr<World> world, make_());
    ASSIGN_OR_RETURN(const Needs needs, ObjectiveNeeds(settings_));
    return EstimateWorldMemory(*world, config_, settings_, needs);
  }
  std::string MemoryKeys() const override {
    return "train.rollouts, train.conditions_per_step, evaluation.batch_rows, evaluation.samples, task.policy.width, "
           "task.policy.depth or task.metrics.max_states";
  }

  Status Report(const RunRecord& record, report::Report& page) const override {
    page.subtitle = "A sampler of the world " + kind_ + ": what it has learned beside the truth";
    page.facts = {{"world", kind_},
                  {"objective", std::string(std::visit([]<class T>(const T&) { return T::kKind; }, settings_.objective))},
                  {"steps", record.lines.empty() ? "0" : std::to_string(record.lines.back().step)},
                  {"trajectories of a step",
                   std::to_string(settings_.train.trainer.conditions_per_step * settings_.train.trainer.rollouts)}};
    ReportWorld(record, page);
    return OkStatus();
  }

 private:
  StatusOr<std::unique_ptr<World>> Make() const {
    ASSIGN_OR_RETURN(std::unique_ptr<World> world, make_());
    if (config_.entropy_target.has_value()) RETURN_IF_ERROR(UseEntropyTarget(*config_.entropy_target, *world));
    return world;
  }

  std::string kind_;
  WorldMaker make_;
  WorldSettings config_;
  RunSettings settings_;
};

}  // namespace

std::unique_ptr<TaskPlan> MakeWorldPlan(std::string kind, WorldMaker make, const WorldSettings& world,
                                        const RunSettings& settings) {
  return std::make_unique<WorldPlan>(std::move(kind), std::move(make), world, settings);
}

}  // namespace gfn
