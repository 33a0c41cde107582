// Sums are doubles: the product of a few large settings does not overflow, it only becomes too large for every machine.
#include "tasks/world/world_memory.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "gflownet/core/fast_world.h"
#include "gflownet/env/continuous_policy.h"
#include "gflownet/env/exact.h"
#include "tasks/world/world_policy.h"
#include "tasks/world/world_truth.h"

namespace gfn {
namespace {

constexpr double kFloat = 4, kDouble = 8, kIndex = 8;

double Number(int64_t n) { return static_cast<double>(n); }
// Widths of the kernels' layouts (gflownet/kernels/mlp.cc).
double PaddedWidth(double n) { return std::ceil(n / 32) * 32; }
// Buffers that grow double, so that of `n` numbers added in steps of `step` they hold this many.
double Doubled(double n, double step) { return step * std::exp2(std::ceil(std::log2(std::max(1.0, n / step)))); }

// What is known of a run's shapes.
struct Shapes {
  double steps = 0, actions = 0, backward_actions = 0, features = 0, active = 0, row_words = 0;
  double states = 0;                         // different ones, finished ones too; infinite where nobody counts them
  double state_bytes = 0;                    // of one state
  double width = 0, depth = 0, outputs = 0;  // of the network; 0: a table
  double parameters = 0;
  double threads = 1;
  bool is_fast = false, scores_children = false, continuous = false;
};

double BytesOf(const State& state) {
  double bytes = 0;
  for (const auto& [name, tensor] : state.tensors()) bytes += static_cast<double>(tensor.nbytes());
  return bytes;
}

StatusOr<Shapes> ShapesOf(const World& world, const WorldSettings& config, const RunSettings& settings, Needs needs) {
  const EnvironmentSpec& spec = world.environment->Spec();
  Shapes shapes;
  shapes.continuous = spec.action == EnvironmentSpec::Action::kContinuous;
  shapes.steps = Number(spec.max_steps);
  const double components = Number(ContinuousPolicyOptions{}.num_components), coordinates = Number(spec.action_width);
  shapes.actions = shapes.continuous ? components * (1 + 2 * coordinates) : Number(spec.num_actions);
  shapes.backward_actions = shapes.continuous ? shapes.actions : spec.is_tree ? 0 : Number(spec.num_backward_actions);
  shapes.features = Number(world.num_features);
  const FastWorld* fast = FastFace(*world.environment);
  shapes.active = fast != nullptr ? Number(fast->MaxActive()) : shapes.features;
  shapes.row_words = fast != nullptr ? Number(fast->RowWords()) : 0;
  shapes.states = INFINITY;
  if (world.enumerable != nullptr) shapes.states = Number(world.enumerable->NumStates()) + Number(world.enumerable->NumObjects());
  shapes.state_bytes = BytesOf(world.environment->Initial({world.conditions.ids()[0]}));
  const StatePolicyOptions heads = HeadsOf(world, config, needs);
  if (const auto* mlp = std::get_if<MlpPolicyConfig>(&config.policy)) {
    shapes.width = Number(mlp->width);
    shapes.depth = Number(mlp->depth);
    shapes.outputs = shapes.actions + (heads.learned_backward ? shapes.backward_actions : 0) + (heads.flow ? 1 : 0);
    shapes.is_fast = fast != nullptr && world.features.fast_face() != nullptr && !needs.Has(Need::kLogInflow) &&
                     (config.backward != BackwardKind::kMaxEntropy || spec.is_tree);
  }
  shapes.scores_children = needs.Has(Need::kLogInflow) || (needs.Has(Need::kLogPb) && heads.learned_backward);
  shapes.threads = settings.threads > 0 ? settings.threads : at::get_num_threads();
  ASSIGN_OR_RETURN(shapes.parameters, NumWorldParameters(world, config, needs));
  return shapes;
}

// What a pass over `rows` trajectories at a time holds: the activations of every state that it visits.
double PassBytes(const Shapes& s, double rows, bool with_grad) {
  const double recorded = rows * s.steps * (3 * kIndex + 6 * kDouble);  // actions and their like; what is said of them
  if (s.width == 0) return recorded + rows * s.steps * ((s.actions + s.backward_actions) * 24 + 5 * s.state_bytes);
  if (s.is_fast) {
    const double shards = std::clamp(std::floor(rows / 8), 1.0, s.threads), of_shard = std::ceil(rows / shards);
    const double slots = std::min(of_shard * s.steps, s.states), held = Doubled(slots, std::min(of_shard, slots));
    const double width = PaddedWidth(s.width), outputs = PaddedWidth(s.outputs);
    // While the last buffer doubles, its old half is there too.
    const double network = kFloat * (held * ((s.depth + 1) * width + outputs) + held / 2 * std::max(width, outputs));
    const double sums = with_grad ? kFloat * (PaddedWidth(s.parameters) + 8 * 192 * width) : 0;
    return recorded + shards * (network + slots * (8 * s.active + 5 * s.row_words + 96) + sums);
  }
  // A row of the network's input for every visited state, and for every state that a step leads to where P_B is learned.
  const double visits = rows * s.steps * (s.scores_children ? 2 : 1);
  const double hidden = with_grad ? 2 * s.depth + 1 : 3;  // kept for the way back, or the layer at work
  const double of_density = s.continuous ? 16 * kDouble : 3 * kFloat;
  const double row = kFloat * (2 * s.features + hidden * s.width) + s.outputs * (with_grad ? 2 : 1) * of_density;
  return recorded + visits * (row + 4 * s.state_bytes);
}

// Tables over pairs of prefixes, where the objective compares all of them. [O(B L^2), or O((B L)^2) per condition]
double PairBytes(const ObjectiveConfig& objective, double conditions, double rollouts, double steps) {
  constexpr double kTables = 6 * kDouble;
  const double prefixes = steps + 1;
  if (std::holds_alternative<SubTbConfig>(objective)) return kTables * conditions * rollouts * prefixes * prefixes;
  const auto* modified = std::get_if<ModifiedSubTbConfig>(&objective);
  if (modified == nullptr) return 0;
  if (modified->paper_compat || modified->lambda < 1) return kTables * conditions * rollouts * prefixes * prefixes;
  if (std::holds_alternative<SquaredResidual>(modified->residual)) return 0;
  return kTables * conditions * rollouts * prefixes * rollouts * prefixes;
}

// The graph of all states, kept for each condition, and what making it and measuring a sampler on it take besides.
double ExactBytes(const World& world, const Shapes& s, double states, double conditions) {
  if (states == 0) return 0;
  if (world.enumerable == nullptr) return conditions * states * (4 * kDouble) + PassBytes(s, kExactBatch, false);
  const double edges = states * Number(world.enumerable->Spec().num_actions) * Number(world.enumerable->NumOutcomes());
  const double kept = edges * (5 * kIndex + kDouble), made = edges * (6 * kIndex + 3 * s.state_bytes);
  Shapes one_step = s;
  one_step.steps = 1;
  one_step.is_fast = one_step.scores_children = false;
  const double network = PassBytes(one_step, std::min(states, Number(kExactBatch)), false);
  return conditions * kept + std::max(made, states * s.actions * 3 * kDouble + network);
}

}  // namespace

StatusOr<MemoryParts> EstimateWorldMemory(const World& world, const WorldSettings& config, const RunSettings& settings,
                                          Needs needs) {
  ASSIGN_OR_RETURN(const Shapes shapes, ShapesOf(world, config, settings, needs));
  ASSIGN_OR_RETURN(const int64_t exact_states, NumExactStates(world, config.metrics));
  const TrainerConfig& trainer = settings.train.trainer;
  const double conditions = Number(world.conditions.size()), step_conditions = Number(trainer.conditions_per_step);
  const double together =
      trainer.micro_batch_conditions > 0 ? std::min(step_conditions, Number(trainer.micro_batch_conditions)) : step_conditions;
  const double rollouts = Number(trainer.rollouts), samples = Number(settings.evaluation.samples);

  // Value, gradient and two moments, the gradient of a step beside it, and the layouts of the kernels.
  const double policy = shapes.parameters * kFloat * (shapes.is_fast ? 7 : 5);
  const double training =
      PassBytes(shapes, together * rollouts, true) + step_conditions * rollouts * shapes.steps * (3 * kIndex + kDouble);
  const double measured =
      settings.evaluation.max_conditions > 0 ? std::min(conditions, Number(settings.evaluation.max_conditions)) : conditions;
  const double evaluation = PassBytes(shapes, std::min(samples, Number(settings.evaluation.batch_rows)), false) +
                            measured * samples * (shapes.steps * 3 * kIndex + 2 * shapes.state_bytes + 8 * kDouble);
  const double replay =
      trainer.behaviour.UsesReplay() ? conditions * Number(trainer.replay.capacity) * shapes.steps * (3 * kIndex + kDouble) : 0;
  MemoryParts parts = {{"policy and optimiser", policy}, {"rollouts and gradients", training}};
  // A pass keeps its buffers, so that evaluations and training steps share the larger ones.
  parts.emplace_back("evaluation", shapes.is_fast ? std::max(0.0, evaluation - training) : evaluation);
  parts.emplace_back("pairs of prefixes", PairBytes(settings.objective, together, rollouts, shapes.steps));
  parts.emplace_back("replay buffer", replay);
  parts.emplace_back("exact metrics", ExactBytes(world, shapes, Number(exact_states), measured));
  std::erase_if(parts, [](const auto& part) { return part.second == 0; });
  return parts;
}

}  // namespace gfn
