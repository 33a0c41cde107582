#include "gflownet/env/row_world.h"

#include <algorithm>
#include <memory>

#include "gflownet/base/check.h"

namespace gfn {
RowWorld::RowWorld(EnvironmentSpec spec, int64_t num_words, int64_t num_values)
    : spec_(std::move(spec)), num_words_(num_words), num_values_(num_values), digest_(spec_.name) {
  GFN_CHECK(num_words >= 1 && num_values >= 1) << spec_.name << ": " << num_words << " words of " << num_values << " values";
  GFN_CHECK(spec_.action == EnvironmentSpec::Action::kDiscrete && !spec_.is_stochastic)
      << spec_.name << ": rows are for discrete, deterministic worlds";
  GFN_CHECK(spec_.num_actions >= 1 && (spec_.is_tree || spec_.num_backward_actions >= 1))
      << spec_.name << ": " << spec_.num_actions << " actions, " << spec_.num_backward_actions
      << " backward actions (a tree, is_tree, needs none)";
  GFN_CHECK(spec_.stop_actions.size() <= 1) << spec_.name << ": rows are for worlds with one stop action or none";
}

int64_t RowWorld::BackwardActionOfRow(const int32_t*, int64_t) const {
  GFN_CHECK(spec_.is_tree) << spec_.name << " is not a tree and must define BackwardActionOfRow";
  return 0;
}

bool RowWorld::IsLegalBack(const int32_t*, int64_t) const {
  GFN_CHECK(spec_.is_tree) << spec_.name << " is not a tree and must define IsLegalBack";
  return true;
}

void RowWorld::LegalOfRow(const int32_t* row, bool* legal_A) const {
  for (int64_t a = 0; a < spec_.num_actions; ++a) legal_A[a] = IsLegal(row, a);
}

void RowWorld::LegalBackOfRow(const int32_t* row, bool* legal_back) const {
  const bool is_initial = IsInitialRow(row);
  for (int64_t a = 0; a < std::max<int64_t>(spec_.num_backward_actions, 1); ++a)
    legal_back[a] = !is_initial && IsLegalBack(row, a);
}

void RowWorld::InitialRow(int32_t* row) const { std::fill_n(row, num_words_, -1); }

int64_t RowWorld::FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const {
  for (int64_t i = 0; i < num_words_; ++i) {
    GFN_CHECK(row[i] >= -1 && row[i] < num_values_)
        << spec_.name << ": word " << i << " of a state is " << row[i] << ", expected -1 .. " << num_values_ - 1;
    index[i] = static_cast<int32_t>(i * (num_values_ + 1) + row[i] + 1);
    value[i] = 1;
  }
  return num_words_;
}

std::string RowWorld::Format(const State& state, int64_t row) const {
  const std::vector<int32_t> words = Rows(state.Gather(at::full({1}, row, at::kLong)));
  std::string text;
  for (const int32_t word : words) text.append(text.empty() ? "" : " ").append(word < 0 ? "-" : std::to_string(word));
  return text;
}

std::vector<int32_t> RowWorld::Rows(const State& state) const {
  std::vector<int32_t> rows(static_cast<size_t>(state.batch_size() * num_words_));
  RowsOfState(state, rows.data());
  return rows;
}

bool RowWorld::IsInitialRow(const int32_t* row) const {
  std::vector<int32_t> initial(static_cast<size_t>(num_words_), -1);
  InitialRow(initial.data());
  return std::equal(initial.begin(), initial.end(), row);
}

template <class Function>
State RowWorld::Changed(const State& state, Function function) const {
  std::vector<int32_t> rows = Rows(state);
  for (int64_t b = 0; b < state.batch_size(); ++b) function(b, rows.data() + b * num_words_);
  return StateOfRows(rows.data(), state.batch_size());
}

State RowWorld::Initial(const std::vector<ConditionId>& conditions_B) const {
  std::vector<int32_t> rows(conditions_B.size() * static_cast<size_t>(num_words_), -1);
  for (size_t b = 0; b < conditions_B.size(); ++b) InitialRow(rows.data() + static_cast<int64_t>(b) * num_words_);
  return StateOfRows(rows.data(), static_cast<int64_t>(conditions_B.size()));
}

State RowWorld::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const at::Tensor actions = actions_B.contiguous();
  return Changed(state, [&](int64_t b, int32_t* row) {
    if (!RowIsDone(row)) StepRow(row, actions.const_data_ptr<int64_t>()[b]);
  });
}

State RowWorld::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  const at::Tensor actions = backward_actions_B.contiguous();
  return Changed(state, [&](int64_t b, int32_t* row) {
    if (!IsInitialRow(row)) UndoRow(row, actions.const_data_ptr<int64_t>()[b]);
  });
}

at::Tensor RowWorld::BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  at::Tensor back_B = at::zeros({state.batch_size()}, at::kLong);
  const std::vector<int32_t> rows = Rows(state);
  const at::Tensor actions = actions_B.contiguous();
  for (int64_t b = 0; b < state.batch_size() && !spec_.is_tree; ++b) {
    const int32_t* row = rows.data() + b * num_words_;
    if (!RowIsDone(row)) back_B.mutable_data_ptr<int64_t>()[b] = BackwardActionOfRow(row, actions.const_data_ptr<int64_t>()[b]);
  }
  return back_B;
}

Support RowWorld::ForwardSupport(const State& state) const {
  at::Tensor legal_BA = at::zeros({state.batch_size(), spec_.num_actions}, at::kBool);
  const std::vector<int32_t> rows = Rows(state);
  for (int64_t b = 0; b < state.batch_size(); ++b) {
    const int32_t* row = rows.data() + b * num_words_;
    if (!RowIsDone(row)) LegalOfRow(row, legal_BA.mutable_data_ptr<bool>() + b * spec_.num_actions);
  }
  Support support{.num_actions = spec_.num_actions, .mask_BA = legal_BA, .done_B = state.done_B()};
  if (!spec_.stop_actions.empty()) support.stop_legal_B = legal_BA.select(1, spec_.stop_actions[0]);
  return support;
}

Support RowWorld::BackwardSupport(const State& state) const {
  if (spec_.is_tree) return Environment::BackwardSupport(state);
  at::Tensor legal_BA = at::zeros({state.batch_size(), spec_.num_backward_actions}, at::kBool);
  const std::vector<int32_t> rows = Rows(state);
  const at::Tensor initial_B = IsInitial(state);
  for (int64_t b = 0; b < state.batch_size(); ++b) {
    if (initial_B.const_data_ptr<bool>()[b]) continue;
    LegalBackOfRow(rows.data() + b * num_words_, legal_BA.mutable_data_ptr<bool>() + b * spec_.num_backward_actions);
  }
  return {.num_actions = spec_.num_backward_actions, .mask_BA = legal_BA, .done_B = initial_B};
}

at::Tensor RowWorld::IsInitial(const State& state) const {
  at::Tensor initial_B = at::empty({state.batch_size()}, at::kBool);
  const std::vector<int32_t> rows = Rows(state);
  for (int64_t b = 0; b < state.batch_size(); ++b)
    initial_B.mutable_data_ptr<bool>()[b] = IsInitialRow(rows.data() + b * num_words_);
  return initial_B;
}

State RowWorld::StateOfRows(const int32_t* rows, int64_t num_rows) const {
  at::Tensor words_BW = at::empty({num_rows, num_words_}, at::kInt), done_B = at::empty({num_rows}, at::kBool);
  std::copy_n(rows, num_rows * num_words_, words_BW.mutable_data_ptr<int32_t>());
  for (int64_t b = 0; b < num_rows; ++b) done_B.mutable_data_ptr<bool>()[b] = RowIsDone(rows + b * num_words_);
  return State(std::move(done_B)).Set("words", std::move(words_BW));
}

void RowWorld::RowsOfState(const State& state, int32_t* rows) const {
  const at::Tensor words_BW = state.Get("words").contiguous();
  std::copy_n(words_BW.const_data_ptr<int32_t>(), words_BW.numel(), rows);
}

at::Tensor RowReward::LogRewardOf(const State& objects) const {
  at::Tensor log_reward_B = at::empty({objects.batch_size()}, at::kDouble);
  std::vector<int32_t> rows(static_cast<size_t>(objects.batch_size() * world_.RowWords()));
  world_.RowsOfState(objects, rows.data());
  for (int64_t b = 0; b < objects.batch_size(); ++b)
    log_reward_B.mutable_data_ptr<double>()[b] = world_.LogRewardOfRow(rows.data() + b * world_.RowWords());
  return log_reward_B;
}

RewardedWorld WithRowReward(std::unique_ptr<RowWorld> world, std::string digest) {
  world->set_digest(std::move(digest));
  RewardedWorld rewarded;
  rewarded.reward = std::make_unique<RowReward>(*world);
  rewarded.num_features = world->NumRowFeatures();
  rewarded.features = StateFeatures(*world);
  rewarded.environment = std::move(world);
  return rewarded;
}

}  // namespace gfn
