#include "gflownet/core/backward_rollout.h"

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {
namespace {

// A backward action of every row; `position` is the number of steps back that were taken before. [N]
StatusOr<at::Tensor> DrawBackward(const Environment& environment, const Policy& policy, const State& state,
                                  const std::vector<uint64_t>& streams_N, uint64_t position, const RngKey& key) {
  const at::Tensor legal_NA = environment.BackwardSupport(state).Dense();
  at::Tensor logits_NA = policy.BackwardLogits(state);
  if (!logits_NA.defined()) logits_NA = at::zeros(legal_NA.sizes(), at::kDouble);
  std::vector<double> uniforms;
  for (const uint64_t stream : streams_N) uniforms.push_back(Uniform(key, stream, position));
  const auto sample = SampleCategorical(ApplyMask(logits_NA.to(at::kCPU), legal_NA), {}, at::tensor(uniforms, at::kDouble));
  if (!sample.ok()) return Annotate(sample.status(), "backward rollout: step " + std::to_string(position));
  return sample->action_B;
}

}  // namespace

StatusOr<TrajectoryBatch> BackwardRollout(const Environment& environment, const Policy& policy, const State& objects,
                                          const std::vector<ConditionId>& conditions_B, const std::vector<uint64_t>& streams_B,
                                          const RngKey& key) {
  const at::NoGradGuard no_grad;
  const EnvironmentSpec& spec = environment.Spec();
  GFN_CHECK(spec.action == EnvironmentSpec::Action::kDiscrete && !spec.is_stochastic) << spec.name << " cannot be walked back";
  GFN_CHECK(objects.AllDone()) << "a row is not a finished object";
  const int64_t num_rows = objects.batch_size();
  GFN_CHECK(num_rows == static_cast<int64_t>(conditions_B.size()) && conditions_B.size() == streams_B.size());

  // 1. Walk back; the action that a step undoes is the trajectory's, last one first.
  std::vector<std::vector<int64_t>> actions(num_rows);
  std::vector<int64_t> rows(num_rows);  // of the batch, for each row of `state`
  for (int64_t row = 0; row < num_rows; ++row) rows[row] = row;
  State state = objects;
  for (int64_t step = 0; !rows.empty(); ++step) {
    GFN_CHECK(step < spec.max_steps) << spec.name << ": no initial state within max_steps";
    std::vector<uint64_t> streams;
    for (const int64_t row : rows) streams.push_back(streams_B[row]);
    ASSIGN_OR_RETURN(const at::Tensor back_N, DrawBackward(environment, policy, state, streams, step, key));
    const at::Tensor forward_N = environment.ForwardAction(state, back_N).contiguous();
    for (size_t i = 0; i < rows.size(); ++i) actions[rows[i]].push_back(forward_N.data_ptr<int64_t>()[i]);
    state = environment.Undo(state, back_N);
    const at::Tensor open_M = environment.IsInitial(state).logical_not().nonzero().squeeze(1).contiguous();
    std::vector<int64_t> open;
    for (int64_t i = 0; i < open_M.numel(); ++i) open.push_back(rows[open_M.data_ptr<int64_t>()[i]]);
    state = state.Gather(open_M);
    rows = std::move(open);
  }

  // 2. The right way round.
  TrajectoryBatch batch;
  batch.condition_ids = conditions_B;
  size_t longest = 0;
  for (const auto& row : actions) longest = std::max(longest, row.size());
  batch.actions_BT = at::zeros({num_rows, static_cast<int64_t>(longest)}, at::kLong);
  batch.lengths_B = at::zeros({num_rows}, at::kLong);
  for (int64_t row = 0; row < num_rows; ++row) {
    std::copy(actions[row].rbegin(), actions[row].rend(),
              batch.actions_BT.data_ptr<int64_t>() + row * static_cast<int64_t>(longest));
    batch.lengths_B.data_ptr<int64_t>()[row] = static_cast<int64_t>(actions[row].size());
  }
  RETURN_IF_ERROR(CompleteBatch(environment, batch));
  return batch;
}

}  // namespace gfn
