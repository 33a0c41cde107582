// One training step of the infilling task, phase by phase.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/bench.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/memory.h"
#include "gflownet/base/phase.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/random.h"
#include "report/table.h"
#include "tasks/infill/infill_task.h"

namespace gfn {
namespace {

// GFLOP/s of the engine's own products at a training pass's size: the limit that phases are compared with.
double MeasureGemmPeak(const LanguageModel& model) {
  const FrozenMatrix& matrix = model.Matrix(0, Slot::kUp);
  const at::Tensor x =
      UniformTensor({1, RngPurpose::kBenchmark, 0}, {2048, matrix.num_inputs()}, model.activation_type()).to(model.device());
  std::vector<double> rates;
  for (int i = 0; i < 12; ++i) {
    PhaseTimes times;
    PhaseTimes* before = SetPhaseTimes(&times);
    {
      const Phase phase("gemm");
      matrix.Apply(x).sum().item();
    }
    SetPhaseTimes(before);
    rates.push_back(2e-9 * static_cast<double>(x.size(0) * matrix.num_inputs() * matrix.num_outputs()) /
                    times.Find("gemm")->seconds);
  }
  return Quantile(rates, 0.9);
}

// Multiply-adds of the frozen products: of the layers for one position, and of the head for one row; times 2.
struct Flops {
  double position = 0, head_row = 0;
};
Flops CountFlops(const LanguageModel& model) {
  Flops flops;
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    for (int s = 0; s < kNumSlots; ++s) {
      const FrozenMatrix& matrix = model.Matrix(l, static_cast<Slot>(s));
      flops.position += 2.0 * static_cast<double>(matrix.num_inputs() * matrix.num_outputs());
    }
  }
  flops.head_row = 2.0 * static_cast<double>(model.head().num_inputs() * model.head().num_outputs());
  return flops;
}

}  // namespace

StatusOr<InfillStep> MeasureInfillStep(const BenchCommand& command) {
  RunSettings settings;
  ModelSourceConfig& source = settings.model.emplace();
  source.path = BenchModel(command);
  ASSIGN_OR_RETURN(source.dtype, ParseEnum<ModelDtype>(command.dtype));
  settings.device = command.device;
  settings.threads = command.threads;
  settings.lora.emplace();
  settings.lora->rank = command.rank;
  settings.lora->alpha = static_cast<double>(command.rank);
  InfillConfig task;
  task.support.min_len = 0;
  task.support.max_len = command.max_len;
  task.share_prefixes = command.share_prefixes;
  ASSIGN_OR_RETURN(const std::unique_ptr<TextParts> parts, BuildTextParts(MakeTextKind(task), settings, {}));
  // Rollouts of one shape: the same world with only one legal length.
  SequenceSupport one_length = parts->environment->support();
  one_length.min_len = one_length.max_len;
  ASSIGN_OR_RETURN(const auto sampling_world, SequenceEnvironment::Create(one_length, parts->conditions, "one length", {}));

  std::vector<ConditionId> conditions;
  const Tokenizer& tokenizer = *parts->tokenizer;
  for (int64_t p = 0; p < command.prompts; ++p) {
    const std::string beginning = (p == 0 ? "" : "Part " + std::to_string(p) + ". ") + std::string(kBenchBeginning);
    SequenceCondition condition;
    condition.x = FirstTokens(tokenizer, beginning, command.prompt_tokens);
    condition.y =
        FirstTokens(tokenizer, kBenchEnding, command.suffix_tokens - 1);  // the stop before it is the first suffix token
    for (const auto& piece : {tokenizer.Encode("Beginning: "), condition.x, tokenizer.Encode("\nEnding: "), condition.y,
                              tokenizer.Encode("\nMiddle:")}) {
      condition.prompt.insert(condition.prompt.end(), piece.begin(), piece.end());
    }
    ASSIGN_OR_RETURN(const ConditionId id, InsertCondition(parts->conditions, condition));
    conditions.push_back(id);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Objective> objective, MakeObjective(ModifiedSubTbConfig{}));
  ASSIGN_OR_RETURN(Optimizer optimizer, Optimizer::Create(settings.optimizer, &parts->parameters));
  const SequencePolicy one_length_policy(*parts->model, &parts->adapter, &parts->parameters, *sampling_world);
  const Flops flops = CountFlops(*parts->model);

  InfillStep step;
  step.gemm_peak = MeasureGemmPeak(*parts->model);
  step.device = DescribeDevice(parts->model->device());
  for (const char* name : {"sample", "reward", "score", "backward", "optimiser"}) step.phases.emplace_back().name = name;
  int64_t decode_positions = command.prompts * (command.batch * (command.max_len - 1)) +
                             command.prompts * static_cast<int64_t>(parts->conditions.Get(conditions[0]).prompt.size());
  for (int64_t repeat = -1; repeat < command.repeats; ++repeat) {
    PhaseTimes times;
    SetPhaseTimes(&times);
    TrajectoryBatch batch;
    {
      const Phase total("total");
      {
        const Phase phase("sample");
        ASSIGN_OR_RETURN(batch, Rollout(*sampling_world, one_length_policy, RolloutRows(conditions, command.batch),
                                        {1, RngPurpose::kBenchmark, static_cast<uint64_t>(repeat + 1)}));
        AddPhaseWork("positions", static_cast<double>(decode_positions));
        AddPhaseWork("head_rows", static_cast<double>(command.prompts * command.batch * (command.max_len - 1) + command.prompts));
      }
      RETURN_IF_ERROR(CompleteBatch(*parts->environment, batch));
      {
        const Phase phase("reward");
        RETURN_IF_ERROR(EvaluateReward(*parts->reward, batch, true));
      }
      GroupLoss loss;
      {
        const Phase phase("score");
        const TrajectoryScores scores = parts->policy->Score(
            batch,
            {.needs = objective->needs().Without(Need::kLogPb), .with_grad = true, .dropout_key = {}, .dropout_streams_B = {}});
        loss = objective->Loss(scores, ApplyTemperature(batch, 1.0, scores.log_pf_BT.device()));
      }
      {
        const Phase phase("backward");
        parts->parameters.ZeroGrad();
        (loss.numerator_G.sum() / loss.weight_G.sum()).backward();
      }
      {
        const Phase phase("optimiser");
        RETURN_IF_ERROR(optimizer.Step().status());
      }
    }
    SetPhaseTimes(nullptr);
    if (repeat < 0) continue;  // the first step pays for allocations
    step.totals.push_back(times.Find("total")->seconds);
    for (PhaseResult& result : step.phases) {
      const PhaseEntry& entry = *times.Find("total/" + result.name);
      result.seconds.push_back(entry.seconds);
      const auto work = [&](const char* unit) { return entry.work.contains(unit) ? entry.work.at(unit) : 0.0; };
      result.positions = work("positions");
      result.head_rows = work("head_rows");
      result.flops = result.positions * flops.position + result.head_rows * flops.head_row;
    }
  }
  // The way back through the frozen products: one product with W for each forward one; the head is also made again.
  const PhaseResult& score = step.phases[2];
  PhaseResult& backward = step.phases[3];
  backward.positions = score.positions;
  backward.head_rows = score.head_rows;
  backward.flops = score.positions * flops.position + 2 * score.head_rows * flops.head_row;
  step.peak_rss_bytes = PeakRssBytes();
  return step;
}

Status BenchInfill(const BenchCommand& command) {
  ASSIGN_OR_RETURN(const InfillStep step, MeasureInfillStep(command));
  report::Table table;
  table.title = "one step: " + std::to_string(command.prompts) + " x " + std::to_string(command.batch) + " rollouts, X " +
                std::to_string(command.prompt_tokens) + ", suffix " + std::to_string(command.suffix_tokens) + ", Z " +
                std::to_string(command.max_len) + " tokens, " + command.dtype + ", LoRA rank " + std::to_string(command.rank) +
                ", " + step.device;
  table.columns = {{.name = "phase"},
                   {.name = "seconds", .decimals = 3},
                   {.name = "min", .decimals = 3},
                   {.name = "max", .decimals = 3},
                   {.name = "positions", .decimals = 0},
                   {.name = "GFLOP/s", .decimals = 0},
                   {.name = "% of GEMM peak", .decimals = 0}};
  nlohmann::json json = {{"total_seconds", Quantile(step.totals, 0.5)},
                         {"gemm_peak_gflops", step.gemm_peak},
                         {"peak_rss_mib", step.peak_rss_bytes >> 20},
                         {"dtype", command.dtype},
                         {"batch", command.batch},
                         {"prompts", command.prompts},
                         {"repeats", command.repeats}};
  for (const PhaseResult& result : step.phases) {
    const double seconds = Quantile(result.seconds, 0.5), rate = result.flops * 1e-9 / seconds, share = rate / step.gemm_peak;
    table.rows.push_back({result.name, seconds, *std::min_element(result.seconds.begin(), result.seconds.end()),
                          *std::max_element(result.seconds.begin(), result.seconds.end()), result.positions, rate, 100 * share});
    json["phases"][result.name] = {
        {"seconds", seconds}, {"positions", result.positions}, {"gflops", rate}, {"share_of_gemm_peak", share}};
  }
  table.rows.push_back({"total",
                        Quantile(step.totals, 0.5),
                        *std::min_element(step.totals.begin(), step.totals.end()),
                        *std::max_element(step.totals.begin(), step.totals.end()),
                        {},
                        {},
                        {}});
  table.note = "GEMM peak measured here: " + report::FormatFixed(step.gemm_peak, 0) + " GFLOP/s; peak memory " +
               std::to_string(step.peak_rss_bytes >> 20) + " MiB; prefix sharing " + (command.share_prefixes ? "on" : "off");
  std::cout << report::FormatTable(table);
  return command.json.empty() ? OkStatus() : WriteJsonFile(command.json, json);
}

}  // namespace gfn
