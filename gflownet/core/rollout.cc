#include "gflownet/core/rollout.h"

#include <algorithm>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/fast_world.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {

at::Tensor BehaviourLogits(const at::Tensor& logits_NA, const at::Tensor& legal_NA, const std::vector<Exploration>& rows) {
  at::Tensor result_NA = ApplyMask(logits_NA, legal_NA);
  // Rows that share a setting are changed together; with none there is nothing to do.
  std::vector<bool> seen(rows.size(), false);
  for (size_t first = 0; first < rows.size(); ++first) {
    const Exploration& setting = rows[first];
    if (seen[first] || setting.IsOnPolicy()) continue;
    std::vector<int64_t> same;
    for (size_t row = first; row < rows.size(); ++row) {
      if (rows[row] == setting) {
        same.push_back(static_cast<int64_t>(row));
        seen[row] = true;
      }
    }
    const at::Tensor rows_M = at::tensor(same, at::kLong).to(logits_NA.device());
    at::Tensor chosen_MA = result_NA.index_select(0, rows_M);
    if (setting.temperature != 1) chosen_MA = WithTemperature(chosen_MA, setting.temperature);
    if (setting.top_k > 0) chosen_MA = WithTopK(chosen_MA, setting.top_k);
    if (setting.top_p < 1) chosen_MA = WithTopP(chosen_MA, setting.top_p);
    if (setting.min_p > 0) chosen_MA = WithMinP(chosen_MA, setting.min_p);
    // The uniform part reaches every legal action, also those that top-k and top-p dropped.
    if (setting.epsilon > 0) {
      const at::Tensor policy_MA = MaskedLogSoftmax(chosen_MA) + std::log1p(-setting.epsilon);
      const at::Tensor legal_MA = legal_NA.index_select(0, rows_M);
      const at::Tensor uniform_M = std::log(setting.epsilon) - legal_MA.sum(1).to(policy_MA.scalar_type()).log();
      chosen_MA = at::logaddexp(policy_MA, uniform_M.unsqueeze(1)).masked_fill(legal_MA.logical_not(), -INFINITY);
    }
    result_NA.index_copy_(0, rows_M, chosen_MA.to(result_NA.scalar_type()));
  }
  return result_NA;
}

namespace {

// An action of every live row at its own address. [N], or [N, D] of a continuous world
StatusOr<at::Tensor> DrawActions(const EnvironmentSpec& spec, const State& state, const Support& support, RolloutSession& session,
                                 const DrawAddress& address) {
  if (spec.action == EnvironmentSpec::Action::kContinuous) return session.Draw(state, address);
  std::vector<double> uniforms_N;
  for (const uint64_t stream : address.streams_N) uniforms_N.push_back(Uniform(address.key, stream, address.position));
  at::Tensor logits_NA = session.Logits(state);
  at::Tensor legal_NA = support.Dense().to(logits_NA.device());
  // Where nobody explores, the logits are drawn from as they are.
  if (!std::ranges::all_of(address.exploration_N, [](const Exploration& setting) { return setting.IsOnPolicy(); })) {
    logits_NA = BehaviourLogits(logits_NA, legal_NA, address.exploration_N);
    legal_NA.reset();
  }
  ASSIGN_OR_RETURN(const auto sample, SampleCategorical(logits_NA, legal_NA, at::tensor(uniforms_N, at::kDouble)));
  return sample.action_B;
}

// What one rollout in progress has recorded; columns are padded and joined at the end.
struct Columns {
  std::vector<at::Tensor> actions, backward, stop_legal, outcomes;
};

// A column of the whole batch from the values of the live rows; the others get zeros.
at::Tensor Scatter(const at::Tensor& values_N, const at::Tensor& live_N, int64_t num_rows) {
  std::vector<int64_t> shape = values_N.sizes().vec();
  shape[0] = num_rows;
  return at::zeros(shape, values_N.options()).index_copy_(0, live_N, values_N);
}

at::Tensor StopLegal(const Support& support) {
  return support.stop_legal_B.defined() ? support.stop_legal_B.logical_and(support.done_B.logical_not())
                                        : support.done_B.logical_not();
}

// "3", or "(0.25, 1.5)" of a continuous world.
std::string ActionText(const at::Tensor& action) {
  if (action.dim() == 0) return std::to_string(action.item<int64_t>());
  std::vector<std::string> parts;
  for (int64_t i = 0; i < action.numel(); ++i) parts.push_back(FormatReal(action[i].item<double>()));
  std::string text = "(";
  return text += Join(parts, ", ") + ")";
}

// The actions drawn, or those that a row's prefix says. [N]
at::Tensor WithPrefixes(at::Tensor actions_N, const std::vector<RolloutRow>& rows, int64_t step) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (step < static_cast<int64_t>(rows[i].prefix.size())) actions_N[static_cast<int64_t>(i)] = rows[i].prefix[step];
  }
  return actions_N;
}

// Why no action could be drawn: where the world left a row no way out, that row's state.
std::string DeadEnd(const Environment& environment, const State& state, const Support& support) {
  if (environment.Spec().action != EnvironmentSpec::Action::kDiscrete) return "";
  const at::Tensor stuck_N = support.Dense().any(1).logical_not().nonzero().squeeze(1);
  if (stuck_N.numel() == 0) return "";
  return "; " + environment.Spec().name + " is not finished, but allows no action in " +
         environment.Format(state, stuck_N[0].item<int64_t>());
}

std::string Place(const TrajectoryBatch& batch, int64_t row, int64_t step) {
  return "row " + std::to_string(row) + " of condition " + batch.condition_ids[row].ToString() + ", action " +
         std::to_string(step);
}

}  // namespace

std::vector<RolloutRow> RolloutRows(const std::vector<ConditionId>& conditions, int64_t num, const Exploration& exploration,
                                    uint64_t first_stream) {
  std::vector<RolloutRow> rows;
  for (const ConditionId condition : conditions) {
    for (int64_t i = 0; i < num; ++i) rows.push_back({condition, first_stream++, exploration});
  }
  return rows;
}

StatusOr<TrajectoryBatch> Rollout(const Environment& environment, const Policy& policy, const std::vector<RolloutRow>& rows_B,
                                  const RngKey& key) {
  const at::NoGradGuard no_grad;
  const EnvironmentSpec& spec = environment.Spec();
  const bool has_stops = !spec.stop_actions.empty();
  const int64_t num_rows = static_cast<int64_t>(rows_B.size());
  GFN_CHECK(num_rows > 0) << "a rollout of no rows";
  const bool has_backward = !spec.is_tree && spec.action == EnvironmentSpec::Action::kDiscrete;

  TrajectoryBatch batch;
  for (const RolloutRow& row : rows_B) batch.condition_ids.push_back(row.condition);
  State state = environment.Initial(batch.condition_ids);
  const std::unique_ptr<RolloutSession> session = policy.StartRollout(batch.condition_ids);
  GFN_CHECK(state.done_B().is_cpu()) << spec.name << ": states live on the CPU";
  if (auto whole = session->SampleWhole(rows_B, key); whole.has_value()) {
    RETURN_IF_ERROR(whole->status());
    return std::move(**whole).batch;
  }

  at::Tensor live_N = at::arange(num_rows, at::kLong);  // rows of the batch that are not done
  at::Tensor lengths_B = at::zeros({num_rows}, at::kLong);
  std::vector<RolloutRow> live_rows = rows_B;
  Columns columns;
  for (int64_t step = 0; !live_rows.empty(); ++step) {
    if (step >= spec.max_steps) {
      return FailedPrecondition(spec.name + ": not finished after max_steps = " + std::to_string(spec.max_steps) +
                                " actions: " + environment.Format(state, 0));
    }
    const int64_t num_live = static_cast<int64_t>(live_rows.size());

    // 1. Sample an action for every live row at its own address.
    const Support support = environment.ForwardSupport(state);
    DrawAddress address{key, std::vector<uint64_t>(num_live), static_cast<uint64_t>(step), std::vector<Exploration>(num_live)};
    for (int64_t i = 0; i < num_live; ++i) {
      address.streams_N[i] = live_rows[i].stream;
      address.exploration_N[i] = live_rows[i].exploration;
    }
    const auto sampled_N = DrawActions(spec, state, support, *session, address);
    if (!sampled_N.ok()) {
      return Annotate(sampled_N.status(), "rollout: action " + std::to_string(step) + ", " + std::to_string(num_live) +
                                              " live rows" + DeadEnd(environment, state, support));
    }
    const at::Tensor actions_N = WithPrefixes(sampled_N->to(at::kCPU), live_rows, step);

    // 2. Move the world and record what was done.
    at::Tensor outcome_N;
    if (spec.is_stochastic) {
      outcome_N = environment.DrawOutcome(state, actions_N, {key.seed, RngPurpose::kNature, key.step}, address.streams_N, step);
      columns.outcomes.push_back(Scatter(outcome_N, live_N, num_rows));
    }
    columns.actions.push_back(Scatter(actions_N, live_N, num_rows));
    if (has_stops) columns.stop_legal.push_back(Scatter(StopLegal(support), live_N, num_rows));
    if (has_backward)
      columns.backward.push_back(Scatter(environment.BackwardAction(state, actions_N, outcome_N), live_N, num_rows));
    State next = environment.Step(state, actions_N, outcome_N);
    lengths_B.index_add_(0, live_N, at::ones_like(live_N));

    // 3. The session hears of every action; finished rows leave.
    session->Advance(actions_N.to(sampled_N->device()));
    const at::Tensor keep_M = next.done_B().logical_not().nonzero().squeeze(1);
    if (keep_M.numel() == 0) break;
    if (keep_M.numel() < num_live) {
      session->Keep(keep_M.to(sampled_N->device()));
      next = next.Gather(keep_M);
      live_N = live_N.index_select(0, keep_M);
      std::vector<RolloutRow> kept;
      for (int64_t i = 0; i < keep_M.numel(); ++i) kept.push_back(live_rows[keep_M.data_ptr<int64_t>()[i]]);
      live_rows = std::move(kept);
    }
    state = std::move(next);
  }

  batch.lengths_B = lengths_B;
  batch.actions_BT = at::stack(columns.actions, 1);
  if (!columns.stop_legal.empty()) batch.stop_legal_BT = at::stack(columns.stop_legal, 1);
  if (!columns.backward.empty()) batch.backward_actions_BT = at::stack(columns.backward, 1);
  if (!columns.outcomes.empty()) batch.outcomes_BT = at::stack(columns.outcomes, 1);
  return batch;
}

std::vector<State> Unroll(const Environment& environment, const TrajectoryBatch& batch) {
  const at::NoGradGuard no_grad;
  std::vector<State> states = {environment.Initial(batch.condition_ids)};
  for (int64_t step = 0; step < batch.num_steps(); ++step) {
    const at::Tensor outcome = batch.outcomes_BT.defined() ? batch.outcomes_BT.select(1, step) : at::Tensor();
    states.push_back(environment.Step(states.back(), batch.actions_BT.select(1, step), outcome));
  }
  return states;
}

State FinalStates(const Environment& environment, const TrajectoryBatch& batch) {
  const FastWorld* world = FastFace(environment);
  if (world == nullptr) return Unroll(environment, batch).back();
  const at::Tensor actions_BT = batch.actions_BT.contiguous(), lengths_B = batch.lengths_B.contiguous();
  const int64_t* actions = actions_BT.const_data_ptr<int64_t>();
  const int64_t* lengths = lengths_B.const_data_ptr<int64_t>();
  std::vector<int32_t> rows(static_cast<size_t>(batch.size() * world->RowWords()));
  for (int64_t b = 0; b < batch.size(); ++b) {
    int32_t* row = rows.data() + b * world->RowWords();
    world->InitialRow(row);
    for (int64_t k = 0; k < lengths[b]; ++k) world->StepRow(row, actions[b * batch.num_steps() + k]);
  }
  return world->StateOfRows(rows.data(), batch.size());
}

Status CompleteBatch(const Environment& environment, TrajectoryBatch& batch) {
  const at::NoGradGuard no_grad;
  RETURN_IF_ERROR(batch.Check());
  const EnvironmentSpec& spec = environment.Spec();
  const bool has_backward = !spec.is_tree && spec.action == EnvironmentSpec::Action::kDiscrete;
  State state = environment.Initial(batch.condition_ids);
  Columns columns;
  for (int64_t step = 0; step < batch.num_steps(); ++step) {
    const at::Tensor actions_B = batch.actions_BT.select(1, step);
    const at::Tensor moves_B = batch.lengths_B.gt(step);
    const Support support = environment.ForwardSupport(state);
    const at::Tensor wrong_B = moves_B.logical_and(support.IsLegal(actions_B).logical_not());
    if (wrong_B.any().item<bool>()) {
      const int64_t row = wrong_B.nonzero()[0].item<int64_t>();
      return InvalidArgument(spec.name + ": " + Place(batch, row, step) + ": action " + ActionText(actions_B[row]) +
                             " is not legal in " + environment.Format(state, row));
    }
    const at::Tensor outcome_B = batch.outcomes_BT.defined() ? batch.outcomes_BT.select(1, step) : at::Tensor();
    columns.stop_legal.push_back(StopLegal(support).logical_and(moves_B));
    if (has_backward) {
      columns.backward.push_back(environment.BackwardAction(state, actions_B, outcome_B).masked_fill(moves_B.logical_not(), 0));
    }
    state = environment.Step(state, actions_B, outcome_B);
    // A row is done exactly when its length is used up.
    const at::Tensor early_B = moves_B.logical_and(state.done_B().ne(batch.lengths_B.eq(step + 1)));
    if (early_B.any().item<bool>()) {
      const int64_t row = early_B.nonzero()[0].item<int64_t>();
      return InvalidArgument(spec.name + ": " + Place(batch, row, step) + ": the object is " +
                             (state.done_B()[row].item<bool>() ? "finished before" : "not finished at") + " its length " +
                             std::to_string(batch.lengths_B[row].item<int64_t>()) + ": " + environment.Format(state, row));
    }
  }
  if (!spec.stop_actions.empty()) batch.stop_legal_BT = at::stack(columns.stop_legal, 1);
  if (has_backward) batch.backward_actions_BT = at::stack(columns.backward, 1);
  return OkStatus();
}

}  // namespace gfn
