// What a command does with a task, whatever its kind: the commands of app/ know this interface and no task. A kind of task is a
// config struct (an alternative of TaskConfig in tasks/run_config.h), a TaskPlan and a Task, in a folder of its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/exploration.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trainer.h"
#include "gflownet/tensor/parameter_set.h"
#include "gflownet/train/drive.h"
#include "gflownet/train/metrics.h"
#include "gflownet/train/run_folder.h"
#include "report/report.h"
#include "tasks/task/check.h"
#include "tasks/task/run_settings.h"

namespace gfn {

using LogFunction = std::function<void(std::string_view)>;

// The sampler of a task, borrowed from it: what a trainer works with.
struct TaskSampler {
  const Environment* environment = nullptr;
  const Policy* policy = nullptr;
  const Reward* reward = nullptr;
  const ConditionTable* conditions = nullptr;
  ParameterSet* parameters = nullptr;
  at::Device device = at::kCPU;
  // What the policy is built with only where the objective asks for it.
  Needs could_offer{};
  // What the trained parameters belong to, by name (base weights, tokenizer): with anything else they are another sampler.
  std::map<std::string, std::string> identity{};
  // What training started from, by name: compared where it is resumed, and of no account to a trained sampler.
  std::map<std::string, std::string> start{};
};

struct TrainingData {
  std::vector<ConditionId> conditions;
  TrajectoryBatch given;  // known objects; may be empty
};

struct EvalRequest {
  std::string split = "test";
  std::string data;            // a file instead of a split
  bool simulated = false;      // conditions that the frozen model draws itself, with an exact sample each
  int64_t samples = 0;         // 0: the run's
  int64_t max_conditions = 0;  // 0: all
  int64_t show = 0;            // samples of so many examples as text
  int64_t step = 0;            // of the checkpoint, for the record
};
struct EvalResult {
  std::string name;         // of the record that the report reads: eval_<name>.json in the run folder
  report::Table table;      // for the terminal
  std::string text;         // further lines for the terminal
  nlohmann::json numbers;   // for --json
  nlohmann::json pictures;  // what only the report needs, added to the numbers in the record
};

// JSON has finite numbers only; others (a correlation with a constant) are null.
nlohmann::json FiniteOrNull(double value);
// Writes the record.
Status WriteEvalRecord(const RunPaths& paths, const EvalResult& result);

struct SampleRequest {
  std::string input;  // JSON lines of the task's format; "-": standard input; empty: none given
  int64_t num = 8;    // samples of each line
  Exploration exploration;
  std::string method;  // of decoding, as text: "beam", "{kind: smc, particles: 64}"; empty: the sampler's own draws
  uint64_t seed = 1;
};
using EmitLine = std::function<Status(const nlohmann::json&)>;

// Given objects whose numbers are asked for.
struct ScoreRequest {
  std::string file;   // JSON lines as Sample emits them, or of the task's format; "-": standard input
  std::string input;  // conditions by their ids, for lines that do not hold their own; may be empty
  uint64_t seed = 1;  // of trajectories to objects that are given without one
};

// What `gfn doctor` has found: all checks, and where one pass spent its time.
struct Examination {
  std::string subject;
  std::vector<Check> checks;
  std::vector<report::Table> tables;
};

// A task that is loaded and ready to sample.
class Task {
 public:
  virtual ~Task() = default;

  virtual TaskSampler sampler() = 0;

  // Training. LoadTraining reads the data; what it makes at a cost is kept in the run folder, so that a resumed run takes up the
  // same. Validate measures the sampler as it is, with the same draws at every call; the score is what the best checkpoint is
  // chosen by. Highlights are the names of metrics worth a line on the terminal.
  virtual StatusOr<TrainingData> LoadTraining(const RunPaths& paths, const LogFunction& log) = 0;
  virtual StatusOr<Evaluation> Validate() = 0;
  virtual std::vector<std::string> Highlights() const = 0;
  // The loop of a task that learns more than its sampler, around the sampler's trainer; null: the trainer alone.
  virtual StatusOr<std::unique_ptr<TrainingLoop>> MakeLoop(Trainer& trainer);
  // What such a loop has learned besides, from a checkpoint of it.
  virtual Status LoadLearned(const std::string& checkpoint);
  // After training, with the parameters of the best checkpoint: writes what others read. Returns a line that says what and where.
  virtual StatusOr<std::string> Export(const RunPaths& paths, int64_t step) = 0;

  virtual StatusOr<EvalResult> Evaluate(const EvalRequest& request) = 0;
  // Lines are emitted as they are drawn. Score emits a line for each that it reads: the numbers that Sample gives with the same
  // object, or "outside" with the reason where the sampler's support does not have it.
  virtual Status Sample(const SampleRequest& request, const EmitLine& emit) = 0;
  virtual Status Score(const ScoreRequest& request, const EmitLine& emit) = 0;
  virtual StatusOr<Examination> Examine() = 0;
  // The trained model as one, for tasks that have a base model.
  virtual StatusOr<std::string> Merge(const std::string& folder, const std::string& dtype);
};

// Named amounts of memory that a run will take at most, beside what the program itself takes, in bytes.
using MemoryParts = std::vector<std::pair<std::string, double>>;

// What a report is made of.
struct RunRecord {
  std::vector<MetricsLine> lines;                     // metrics.jsonl
  std::map<std::string, nlohmann::json> evaluations;  // by name
};

// What is known of a task before anything is loaded: from the configuration alone.
class TaskPlan {
 public:
  virtual ~TaskPlan() = default;
  // Loads models and makes the sampler. Training data are not read. `log` may be empty.
  virtual StatusOr<std::unique_ptr<Task>> Build(const LogFunction& log) const = 0;
  // Lines (name, value) for `gfn describe`; a line without a value is a heading.
  virtual StatusOr<std::vector<std::pair<std::string, std::string>>> Describe() const = 0;
  // Without allocating what it estimates, and without overflow: the settings may be of any size.
  virtual StatusOr<MemoryParts> EstimateMemory() const = 0;
  // The keys to lower where that is too much, as a list in words.
  virtual std::string MemoryKeys() const = 0;
  // Title, headlines, facts and sections of a run's report; the settings are added by the command.
  virtual Status Report(const RunRecord& record, report::Report& page) const = 0;
};

}  // namespace gfn
