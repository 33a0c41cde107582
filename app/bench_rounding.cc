// What bf16 changes in the numbers that training is made of: the same rollouts of real stories, scored by the model in fp32 and
// in bf16. Rounding that is common to all objects of a story cancels in the objective; what is left within a story is listed
// apart.
#include <ATen/ops/dot.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/bench.h"
#include "gflownet/base/interval.h"
#include "gflownet/base/json_util.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/random.h"
#include "tasks/infill/infill_task.h"

namespace gfn {
namespace {

constexpr char kStories[] = "data/stories/train.jsonl";

struct StoryModel {
  std::unique_ptr<TextParts> parts;
  std::vector<ConditionId> conditions;
};

// The model in this dtype, the stories as conditions, and an adapter that is not zero, the same in every dtype.
StatusOr<StoryModel> BuildStories(const BenchCommand& command, ModelDtype dtype, int64_t num_stories) {
  RunSettings settings;
  ModelSourceConfig& source = settings.model.emplace();
  source.path = BenchModel(command);
  source.dtype = dtype;
  settings.device = command.device;
  settings.threads = command.threads;
  settings.lora.emplace().rank = command.rank;
  settings.lora->alpha = static_cast<double>(command.rank);
  InfillConfig task;
  task.data.fields.x = {"sentences.0", "sentences.1", "sentences.2"};
  task.data.fields.y = {"sentences.4"};
  task.data.fields.z = {"sentences.3"};
  StoryModel model;
  ASSIGN_OR_RETURN(model.parts, BuildTextParts(MakeTextKind(task), settings, {}));
  ASSIGN_OR_RETURN(const std::vector<TextExample> examples, ReadTextExamples(kStories, task.data.fields));
  for (int64_t i = 0; i < std::min<int64_t>(num_stories, static_cast<int64_t>(examples.size())); ++i) {
    ASSIGN_OR_RETURN(const ConditionId id, AddCondition(*model.parts, task.prompt, examples[static_cast<size_t>(i)]));
    model.conditions.push_back(id);
  }
  at::NoGradGuard no_grad;
  uint64_t stream = 0;
  for (auto& layer : model.parts->adapter.layers) {
    for (LoraGroup& group : layer) {
      for (LoraPart& part : group.parts)
        part.b.copy_((UniformTensor({2, RngPurpose::kBenchmark, 0}, part.b.sizes(), at::kFloat, stream++) - 0.5) * 0.02);
    }
  }
  return model;
}

// Loss of the batch under a policy with the rewards that it carries, and its gradient as one vector.
struct LossAndGradient {
  double loss = 0;
  at::Tensor gradient;
};
StatusOr<LossAndGradient> Differentiate(TextParts& parts, const Objective& objective, const TrajectoryBatch& batch) {
  const TrajectoryScores scores = parts.policy->Score(
      batch, {.needs = objective.needs().Without(Need::kLogPb), .with_grad = true, .dropout_key = {}, .dropout_streams_B = {}});
  const GroupLoss loss = objective.Loss(scores, ApplyTemperature(batch, 1.0, scores.log_pf_BT.device()));
  const at::Tensor total = loss.numerator_G.sum() / loss.weight_G.sum();
  parts.parameters.ZeroGrad();
  total.backward();
  std::vector<at::Tensor> flat;
  for (const at::Tensor& tensor : parts.adapter.Tensors()) flat.push_back(tensor.grad().flatten().to(at::kCPU, at::kDouble));
  return LossAndGradient{total.item<double>(), at::cat(flat)};
}

// log q of each whole trajectory.
std::vector<double> LogQ(const TextParts& parts, const TrajectoryBatch& batch) {
  const TrajectoryScores scores =
      parts.policy->Score(batch, {.needs = Need::kLogPf, .with_grad = false, .dropout_key = {}, .dropout_streams_B = {}});
  const at::Tensor sums = scores.log_pf_BT.to(at::kCPU, at::kDouble).sum(1).contiguous();
  return {sums.const_data_ptr<double>(), sums.const_data_ptr<double>() + sums.numel()};
}

std::vector<double> LogR(const TrajectoryBatch& batch) {
  const at::Tensor log_r = batch.log_reward_B.contiguous();
  return {log_r.const_data_ptr<double>(), log_r.const_data_ptr<double>() + log_r.numel()};
}

double RootMeanSquare(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

// Each value less the mean of its story.
std::vector<double> WithinStory(std::vector<double> values, const std::vector<ConditionId>& stories) {
  const Grouping grouping = GroupRows(stories);
  std::vector<double> sum(grouping.conditions.size()), count(grouping.conditions.size());
  for (size_t i = 0; i < values.size(); ++i) {
    sum[grouping.group_of_row[i]] += values[i];
    count[grouping.group_of_row[i]] += 1;
  }
  for (size_t i = 0; i < values.size(); ++i) values[i] -= sum[grouping.group_of_row[i]] / count[grouping.group_of_row[i]];
  return values;
}

}  // namespace

Status BenchRounding(const BenchCommand& command) {
  constexpr int64_t kNumStories = 8;
  ASSIGN_OR_RETURN(const StoryModel exact, BuildStories(command, ModelDtype::kFloat32, kNumStories));
  ASSIGN_OR_RETURN(const StoryModel rounded, BuildStories(command, ModelDtype::kBFloat16, kNumStories));
  ASSIGN_OR_RETURN(const std::unique_ptr<Objective> objective, MakeObjective(ModifiedSubTbConfig{}));
  ASSIGN_OR_RETURN(TrajectoryBatch batch, Rollout(*exact.parts->environment, *exact.parts->policy,
                                                  RolloutRows(exact.conditions, command.batch), {1, RngPurpose::kBenchmark, 0}));
  RETURN_IF_ERROR(CompleteBatch(*exact.parts->environment, batch));
  TrajectoryBatch with_rounded = batch;
  RETURN_IF_ERROR(EvaluateReward(*exact.parts->reward, batch, true));
  RETURN_IF_ERROR(EvaluateReward(*rounded.parts->reward, with_rounded, true));

  report::Table table;
  table.title = "bf16 against fp32: " + std::to_string(exact.conditions.size()) + " stories x " + std::to_string(command.batch) +
                " rollouts, rank " + std::to_string(command.rank);
  table.columns = {{.name = "of an object (nats)"},
                   {.name = "rms error", .decimals = 4},
                   {.name = "largest", .decimals = 4},
                   {.name = "mean", .decimals = 4},
                   {.name = "rms within a story", .decimals = 4},
                   {.name = "rms of the value within a story", .decimals = 2}};
  nlohmann::json json = {{"batch", command.batch}, {"stories", exact.conditions.size()}, {"rank", command.rank}};
  const auto compare = [&](const char* name, const std::vector<double>& a, const std::vector<double>& b) {
    const std::vector<double> error = PairedDifferences(b, a);
    double largest = 0;
    for (const double e : error) largest = std::max(largest, std::abs(e));
    const double rms = RootMeanSquare(error), within = RootMeanSquare(WithinStory(error, batch.condition_ids));
    const double value = RootMeanSquare(WithinStory(a, batch.condition_ids));
    table.rows.push_back({name, rms, largest, Mean(error), within, value});
    json[name] = {{"rms", rms},
                  {"largest", largest},
                  {"mean", Mean(error)},
                  {"rms_within_story", within},
                  {"rms_of_value_within_story", value}};
  };
  compare("log R", LogR(batch), LogR(with_rounded));
  compare("log q", LogQ(*exact.parts, batch), LogQ(*rounded.parts, batch));
  std::cout << report::FormatTable(table) << "\n";

  ASSIGN_OR_RETURN(const LossAndGradient truth, Differentiate(*exact.parts, *objective, batch));
  report::Table losses;
  losses.title = "modified SubTB and its gradient; fp32 loss " + report::FormatFixed(truth.loss, 4);
  losses.columns = {{.name = "in bf16"},
                    {.name = "loss", .decimals = 4},
                    {.name = "relative error", .decimals = 5},
                    {.name = "gradient: cosine", .decimals = 6},
                    {.name = "relative error of it", .decimals = 4}};
  const double norm = truth.gradient.norm().item<double>();
  const auto differentiate = [&](const char* name, TextParts& parts, const TrajectoryBatch& rewarded) -> Status {
    ASSIGN_OR_RETURN(const LossAndGradient result, Differentiate(parts, *objective, rewarded));
    const double cosine =
        at::dot(result.gradient, truth.gradient).item<double>() / (norm * result.gradient.norm().item<double>());
    const double error = (result.gradient - truth.gradient).norm().item<double>() / norm,
                 loss_error = std::abs(result.loss - truth.loss) / truth.loss;
    losses.rows.push_back({name, result.loss, loss_error, cosine, error});
    json[name] = {
        {"loss", result.loss}, {"relative_error", loss_error}, {"gradient_cosine", cosine}, {"gradient_relative_error", error}};
    return OkStatus();
  };
  RETURN_IF_ERROR(differentiate("reward", *exact.parts, with_rounded));
  RETURN_IF_ERROR(differentiate("policy", *rounded.parts, batch));
  RETURN_IF_ERROR(differentiate("reward and policy", *rounded.parts, with_rounded));
  std::cout << report::FormatTable(losses);
  return command.json.empty() ? OkStatus() : WriteJsonFile(command.json, json);
}

}  // namespace gfn
