// `gfn bench core`: one training iteration (sample, reward, score, backward, step) of trajectory balance on the small worlds, and
// the seconds of training until the exact total variation stays below a bound.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/app.h"
#include "gflownet/base/clock.h"
#include "gflownet/base/interval.h"
#include "gflownet/base/json_util.h"
#include "gflownet/core/log_z.h"
#include "gflownet/core/trainer.h"
#include "gflownet/env/bit_sequence.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/fast_mlp.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/ising.h"
#include "gflownet/env/state_policies.h"
#include "gflownet/tensor/device.h"
#include "report/table.h"

namespace gfn {
namespace {

constexpr double kSecondsOfCell = 1.5;
constexpr int kBlocks = 5;
constexpr int64_t kWarmUp = 5;

struct CoreWorld {
  std::string name;
  std::vector<int64_t> batches;
  std::function<StatusOr<RewardedWorld>()> create;
};

std::vector<CoreWorld> CoreWorlds() {
  const auto grid = [](int64_t dimensions, int64_t side) {
    return [=] { return CreateWorld(HypergridConfig{.dimensions = dimensions, .side = side}, HypergridRewardConfig{}); };
  };
  return {
      {"hypergrid-2d-8", {32, 128, 512}, grid(2, 8)},
      {"hypergrid-4d-16", {32, 128, 512}, grid(4, 16)},
      {"bit-sequence-120-8", {16, 128}, [] { return CreateWorld(BitSequenceConfig{.num_bits = 120, .word_bits = 8}); }},
      {"ising-6", {32, 128, 512}, [] { return CreateWorld(IsingConfig{.side = 6, .reward = {.beta = 1, .coupling = 0.44}}); }}};
}

// The networks and hyper-parameters of the comparison: an MLP 256 x 2 whose trunk P_F and P_B share, Adam at 1e-3, log Z at 0.1,
// no exploration, no clipping.
class CoreTraining {
 public:
  static StatusOr<std::unique_ptr<CoreTraining>> Create(const CoreWorld& world, int64_t batch, int64_t seed) {
    auto training = std::unique_ptr<CoreTraining>(new CoreTraining);
    RETURN_IF_ERROR(training->Build(world, batch, seed));
    return training;
  }
  Status Steps(int64_t num, double* num_actions) {
    for (int64_t i = 0; i < num; ++i) {
      ASSIGN_OR_RETURN(const StepMetrics metrics, trainer_->Step());
      if (num_actions != nullptr) *num_actions += *metrics.Find("sampled_actions");
    }
    return OkStatus();
  }
  double TotalVariation() const {
    const EnumerableEnvironment& world = *world_.enumerable();
    const at::Tensor log_q_X = ExactLogTerminating(world, *policy_, condition_);
    const at::Tensor objects_X = at::arange(world.NumObjects(), at::kLong);
    const auto& reward = dynamic_cast<const StateReward&>(*world_.reward);
    return CompareWithTarget(log_q_X, reward.LogRewardOf(world.ObjectsAt(objects_X, condition_))).total_variation;
  }
  const MlpPolicy& policy() const { return *policy_; }

 private:
  Status Build(const CoreWorld& world, int64_t batch, int64_t seed) {
    ASSIGN_OR_RETURN(world_, world.create());
    ASSIGN_OR_RETURN(condition_, conditions_.Insert(""));
    policy_ = std::make_unique<MlpPolicy>(*world_.environment, world_.features, world_.num_features, parameters_,
                                          MlpOptions{.heads = {.learned_backward = true, .flow = false, .dtype = at::kFloat}},
                                          RngKey{static_cast<uint64_t>(seed), RngPurpose::kInit, 0});
    log_z_ = std::make_unique<LogZPolicy>(*policy_, conditions_, parameters_, at::Tensor());
    OptimizerConfig config;
    config.learning_rate = 1e-3;
    config.clip_norm = 0;
    config.groups = {{.group = LogZPolicy::kGroup, .learning_rate_scale = 100, .weight_decay = std::nullopt}};
    ASSIGN_OR_RETURN(Optimizer optimizer, Optimizer::Create(config, &parameters_));
    optimizer_ = std::make_unique<Optimizer>(std::move(optimizer));
    ASSIGN_OR_RETURN(objective_, MakeObjective(TbConfig{}));
    TrainerConfig trainer;
    trainer.rollouts = batch;
    TrainerParts parts;
    parts.environment = world_.environment.get();
    parts.policy = log_z_.get();
    parts.reward = world_.reward.get();
    parts.objective = objective_.get();
    parts.parameters = &parameters_;
    parts.optimizer = optimizer_.get();
    parts.conditions = {condition_};
    parts.seed = static_cast<uint64_t>(seed);
    ASSIGN_OR_RETURN(trainer_, Trainer::Create(trainer, parts));
    return OkStatus();
  }

  RewardedWorld world_;
  ConditionTable conditions_;
  ConditionId condition_;
  ParameterSet parameters_;
  std::unique_ptr<MlpPolicy> policy_;
  std::unique_ptr<LogZPolicy> log_z_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Trainer> trainer_;
};

// GFLOP/s of a large matrix product by LibTorch on all threads: what the machine can do.
double MeasurePeak() {
  const at::Tensor a = at::ones({1024, 1024}, at::kFloat), b = at::ones({1024, 1024}, at::kFloat);
  at::Tensor c = at::empty({1024, 1024}, at::kFloat);
  double best = 0;
  for (int i = 0; i < 12; ++i) {
    const double start = SteadySeconds();
    at::mm_out(c, a, b);
    best = std::max(best, 2.0 * 1024 * 1024 * 1024 * 1e-9 / (SteadySeconds() - start));
  }
  return best;
}

struct CellResult {
  std::vector<double> ms;  // of an iteration, by block
  double transitions_per_second = 0;
  double visited_rate = 0, evaluated_rate = 0;  // GFLOP/s
};

StatusOr<CellResult> MeasureCell(const CoreWorld& world, int64_t batch) {
  ASSIGN_OR_RETURN(const auto training, CoreTraining::Create(world, batch, 1));
  RETURN_IF_ERROR(training->Steps(kWarmUp, nullptr));
  double start = SteadySeconds();
  RETURN_IF_ERROR(training->Steps(2, nullptr));
  const double guess = (SteadySeconds() - start) / 2;
  const int64_t per_block = std::clamp<int64_t>(static_cast<int64_t>(kSecondsOfCell / kBlocks / guess), 2, 1000);
  CellResult result;
  double actions = 0, seconds = 0, visited = 0, evaluated = 0;
  for (int block = 0; block < kBlocks; ++block) {
    start = SteadySeconds();
    RETURN_IF_ERROR(training->Steps(per_block, &actions));
    const double block_seconds = SteadySeconds() - start;
    seconds += block_seconds;
    result.ms.push_back(1e3 * block_seconds / static_cast<double>(per_block));
    if (training->policy().fast() == nullptr) continue;
    const FastCounts counts = training->policy().fast()->last_counts();
    visited += counts.flops_visits;
    evaluated += counts.flops_evaluated;
  }
  result.transitions_per_second = actions / seconds;
  const double seconds_of_iteration = 1e-3 * Quantile(result.ms, 0.5);
  result.visited_rate = 1e-9 * visited / kBlocks / seconds_of_iteration;
  result.evaluated_rate = 1e-9 * evaluated / kBlocks / seconds_of_iteration;
  return result;
}

struct Convergence {
  int64_t iterations = 0;
  double seconds = 0;
};

// Training until the total variation was below 0.01 in five evaluations in a row, every 10 iterations; evaluations are not timed.
StatusOr<Convergence> TrainToTarget(const CoreWorld& world, int64_t batch, int64_t seed) {
  constexpr double kTarget = 0.01;
  constexpr int kInARow = 5;
  constexpr int64_t kEvery = 10, kMost = 5000;
  ASSIGN_OR_RETURN(const auto training, CoreTraining::Create(world, batch, seed));
  Convergence result;
  for (int streak = 0; streak < kInARow;) {
    if (result.iterations >= kMost)
      return Internal(world.name + ": total variation " + std::to_string(training->TotalVariation()) + " after " +
                      std::to_string(kMost) + " iterations");
    const double start = SteadySeconds();
    RETURN_IF_ERROR(training->Steps(kEvery, nullptr));
    result.seconds += SteadySeconds() - start;
    result.iterations += kEvery;
    streak = training->TotalVariation() < kTarget ? streak + 1 : 0;
  }
  return result;
}

Status AddConvergence(const CoreWorld& world, nlohmann::json& json) {
  constexpr int64_t kBatch = 128, kSeeds = 5;
  std::vector<double> seconds, iterations;
  for (int64_t seed = 1; seed <= kSeeds; ++seed) {
    ASSIGN_OR_RETURN(const Convergence result, TrainToTarget(world, kBatch, seed));
    seconds.push_back(result.seconds);
    iterations.push_back(static_cast<double>(result.iterations));
  }
  std::cout << "\ntraining until the exact total variation stays below 0.01 (" << world.name << ", TB, batch " << kBatch
            << ", median of " << kSeeds << " seeds): " << report::FormatFixed(Quantile(seconds, 0.5), 3) << " s, "
            << Quantile(iterations, 0.5) << " iterations\n";
  json["seconds_to_tv_0.01"] = {{"median", Quantile(seconds, 0.5)}, {"seeds", seconds}, {"iterations", iterations}};
  return OkStatus();
}

}  // namespace

Status BenchCore(const BenchCommand& command) {
  SetNumThreads(command.threads);
  const double peak = MeasurePeak();
  report::Table table;
  table.title =
      "one iteration of trajectory balance, MLP 256 x 2, learned P_B; GEMM peak " + report::FormatFixed(peak, 0) + " GFLOP/s";
  table.columns = {{.name = "world"},
                   {.name = "batch", .decimals = 0},
                   {.name = "ms", .decimals = 3},
                   {.name = "min", .decimals = 3},
                   {.name = "max", .decimals = 3},
                   {.name = "transitions/s", .decimals = 0},
                   {.name = "useful GFLOP/s", .decimals = 1},
                   {.name = "% of peak", .decimals = 0},
                   {.name = "done GFLOP/s", .decimals = 1}};
  table.note =
      "useful: the network once, forward and backward, for every state of every trajectory; done: what was computed, each "
      "distinct state of a "
      "batch once";
  nlohmann::json json = {{"gemm_peak_gflops", peak}, {"cells", nlohmann::json::array()}};
  bool known = false;
  for (const CoreWorld& world : CoreWorlds()) {
    for (const int64_t batch : world.batches) {
      const std::string cell = world.name + "/" + std::to_string(batch);
      if (!command.cell.empty() && command.cell != cell) continue;
      known = true;
      ASSIGN_OR_RETURN(const CellResult result, MeasureCell(world, batch));
      const double ms = Quantile(result.ms, 0.5);
      table.rows.push_back({world.name, static_cast<double>(batch), ms, *std::min_element(result.ms.begin(), result.ms.end()),
                            *std::max_element(result.ms.begin(), result.ms.end()), result.transitions_per_second,
                            result.visited_rate, 100 * result.visited_rate / peak, result.evaluated_rate});
      json["cells"].push_back({{"cell", cell},
                               {"ms", ms},
                               {"blocks_ms", result.ms},
                               {"transitions_per_s", result.transitions_per_second},
                               {"useful_gflops", result.visited_rate},
                               {"done_gflops", result.evaluated_rate}});
    }
  }
  constexpr char kConvergence[] = "convergence";
  if (!known && command.cell != kConvergence)
    return InvalidArgument("no cell '" + command.cell +
                           "'; cells are WORLD/BATCH as the table of all names them, or convergence");
  if (known) std::cout << report::FormatTable(table);
  if (command.cell.empty() || command.cell == kConvergence) RETURN_IF_ERROR(AddConvergence(CoreWorlds().front(), json));
  return command.json.empty() ? OkStatus() : WriteJsonFile(command.json, json);
}

}  // namespace gfn
