// One training step of the infilling task with fixed shapes, phase by phase: every rollout has max_len tokens, and a stop is
// legal (and scored) at every prefix; only the sampler is kept from choosing it.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/app.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/memory.h"
#include "gflownet/base/phase.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/random.h"
#include "report/table.h"
#include "tasks/infill/infill_parts.h"

namespace gfn {
namespace {

constexpr char kBeginning[] =
    "The ferry was late, and Nadia stood at the end of the pier with a suitcase that had belonged to her grandmother. She had packed "
    "it twice and still did not know what she would need on the island. A boy sold roasted nuts from a cart, and the smell of sugar "
    "drifted over the water. Behind her two men argued about the weather, and neither of them looked at the sky. When the horn "
    "sounded at last, everybody moved at once.";
constexpr char kEnding[] =
    "By the time the lights of the harbour came into view, she had made up her mind to stay for the whole winter and to write home.";

std::vector<int32_t> FirstTokens(const Tokenizer& tokenizer, const std::string& text, int64_t count) {
  const std::vector<int32_t> once = tokenizer.Encode(text);
  std::vector<int32_t> ids;
  while (static_cast<int64_t>(ids.size()) < count) ids.insert(ids.end(), once.begin(), once.end());
  ids.resize(static_cast<size_t>(count));
  return ids;
}

double Median(std::vector<double> values) { return Quantile(values, 0.5); }

// GFLOP/s of the engine's own products at a training pass's size: the limit that phases are compared with.
double MeasureGemmPeak(const LanguageModel& model) {
  const FrozenMatrix& matrix = model.Matrix(0, Slot::kUp);
  const at::Tensor x = UniformTensor({1, RngPurpose::kBenchmark, 0}, {2048, matrix.num_inputs()}, model.activation_type()).to(model.device());
  std::vector<double> rates;
  for (int i = 0; i < 12; ++i) {
    PhaseTimes times;
    PhaseTimes* before = SetPhaseTimes(&times);
    {
      const Phase phase("gemm");
      matrix.Apply(x).sum().item();
    }
    SetPhaseTimes(before);
    rates.push_back(2e-9 * static_cast<double>(x.size(0) * matrix.num_inputs() * matrix.num_outputs()) / times.Find("gemm")->seconds);
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

struct PhaseResult {
  std::vector<double> seconds;
  double positions = 0, head_rows = 0, flops = 0;
};

}  // namespace

Status Bench(const BenchCommand& command) {
  if (command.what == "core") return BenchCore(command);
  if (command.what != "infill") return InvalidArgument("unknown benchmark '" + command.what + "'; known: core, infill");
  RunSettings settings;
  ModelSourceConfig& source = settings.model.emplace();
  source.path = command.model.empty() ? ".deps/models/SmolLM2-135M-Instruct.Q4_1.gguf" : command.model;
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
  ASSIGN_OR_RETURN(const std::unique_ptr<InfillParts> parts, BuildInfill(task, settings, Log));
  // Rollouts of one shape: the same world with only one legal length.
  SequenceSupport one_length = parts->environment->support();
  one_length.min_len = one_length.max_len;
  ASSIGN_OR_RETURN(const auto sampling_world, SequenceEnvironment::Create(one_length, parts->conditions, "one length", {}));

  std::vector<ConditionId> conditions;
  const Tokenizer& tokenizer = *parts->tokenizer;
  for (int64_t p = 0; p < command.prompts; ++p) {
    const std::string beginning = (p == 0 ? "" : "Part " + std::to_string(p) + ". ") + std::string(kBeginning);
    SequenceCondition condition;
    condition.x = FirstTokens(tokenizer, beginning, command.prompt_tokens);
    condition.y = FirstTokens(tokenizer, kEnding, command.suffix_tokens - 1);  // the stop before it is the first suffix token
    for (const auto& piece : {tokenizer.Encode("Beginning: "), condition.x, tokenizer.Encode("\nEnding: "), condition.y, tokenizer.Encode("\nMiddle:")}) {
      condition.prompt.insert(condition.prompt.end(), piece.begin(), piece.end());
    }
    ASSIGN_OR_RETURN(const ConditionId id, InsertCondition(parts->conditions, condition));
    conditions.push_back(id);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Objective> objective, MakeObjective(ModifiedSubTbConfig{}));
  ASSIGN_OR_RETURN(Optimizer optimizer, Optimizer::Create(settings.optimizer, &parts->parameters));
  const SequencePolicy one_length_policy(*parts->model, &parts->adapter, &parts->parameters, *sampling_world);
  const double peak = MeasureGemmPeak(*parts->model);
  const Flops flops = CountFlops(*parts->model);

  const std::vector<std::string> names = {"sample", "reward", "score", "backward", "optimiser"};
  std::map<std::string, PhaseResult> results;
  std::vector<double> totals;
  int64_t decode_positions = command.prompts * (command.batch * (command.max_len - 1)) + command.prompts * static_cast<int64_t>(parts->conditions.Get(conditions[0]).prompt.size());
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
        const TrajectoryScores scores = parts->policy->Score(batch, {.needs = objective->needs().Without(Need::kLogPb), .with_grad = true, .dropout_key = {}, .dropout_streams_B = {}});
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
    totals.push_back(times.Find("total")->seconds);
    for (const std::string& name : names) {
      const PhaseEntry& entry = *times.Find("total/" + name);
      PhaseResult& result = results[name];
      result.seconds.push_back(entry.seconds);
      const auto work = [&](const char* unit) { return entry.work.contains(unit) ? entry.work.at(unit) : 0.0; };
      result.positions = work("positions");
      result.head_rows = work("head_rows");
      result.flops = result.positions * flops.position + result.head_rows * flops.head_row;
    }
  }
  // The way back through the frozen products: one product with W for each forward one; the head is also made again.
  PhaseResult &score = results["score"], &backward = results["backward"];
  backward.positions = score.positions;
  backward.head_rows = score.head_rows;
  backward.flops = score.positions * flops.position + 2 * score.head_rows * flops.head_row;

  report::Table table;
  table.title = "one step: " + std::to_string(command.prompts) + " x " + std::to_string(command.batch) + " rollouts, X " + std::to_string(command.prompt_tokens) +
                ", suffix " + std::to_string(command.suffix_tokens) + ", Z " + std::to_string(command.max_len) + " tokens, " + command.dtype + ", LoRA rank " +
                std::to_string(command.rank) + ", " + DescribeDevice(parts->model->device());
  table.columns = {{.name = "phase"}, {.name = "seconds", .decimals = 3}, {.name = "min", .decimals = 3}, {.name = "max", .decimals = 3},
                   {.name = "positions", .decimals = 0}, {.name = "GFLOP/s", .decimals = 0}, {.name = "% of GEMM peak", .decimals = 0}};
  nlohmann::json json = {{"total_seconds", Median(totals)}, {"gemm_peak_gflops", peak}, {"peak_rss_mib", PeakRssBytes() >> 20},
                         {"dtype", command.dtype}, {"batch", command.batch}, {"prompts", command.prompts}, {"repeats", command.repeats}};
  for (const std::string& name : names) {
    const PhaseResult& result = results[name];
    const double seconds = Median(result.seconds), rate = result.flops * 1e-9 / seconds;
    table.rows.push_back({name, seconds, *std::min_element(result.seconds.begin(), result.seconds.end()),
                          *std::max_element(result.seconds.begin(), result.seconds.end()), result.positions, rate, 100 * rate / peak});
    json["phases"][name] = {{"seconds", seconds}, {"positions", result.positions}, {"gflops", rate}};
  }
  table.rows.push_back({"total", Median(totals), *std::min_element(totals.begin(), totals.end()), *std::max_element(totals.begin(), totals.end()), {}, {}, {}});
  table.note = "GEMM peak measured here: " + report::FormatFixed(peak, 0) + " GFLOP/s; peak memory " + std::to_string(PeakRssBytes() >> 20) +
               " MiB; prefix sharing " + (command.share_prefixes ? "on" : "off");
  std::cout << report::FormatTable(table);
  return command.json.empty() ? OkStatus() : WriteJsonFile(command.json, json);
}

}  // namespace gfn
