#include "gflownet/env/prefix_tree.h"

#include <algorithm>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/condition_column.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/make_world.h"

namespace gfn {
namespace {

constexpr int64_t kMaxStates = int64_t{1} << 22;

std::vector<int64_t> LegalSymbols(const PrefixTreeConfig& config) {
  std::vector<int64_t> legal;
  for (int64_t symbol = 0; symbol < config.num_symbols; ++symbol) {
    if (std::find(config.illegal_symbols.begin(), config.illegal_symbols.end(), symbol) == config.illegal_symbols.end()) {
      legal.push_back(symbol);
    }
  }
  return legal;
}

// [max_length + 2]; stops counting above kMaxStates.
std::vector<int64_t> FirstOfLength(int64_t num_legal, int64_t max_length) {
  std::vector<int64_t> first = {0};
  int64_t count = 1;
  for (int64_t length = 0; length <= max_length; ++length) {
    first.push_back(first.back() + count);
    if (first.back() > kMaxStates) break;
    count *= num_legal;
  }
  return first;
}

const at::Tensor& Symbols(const State& state) { return state.Get("symbols"); }  // int64 [B, M], -1 after the end
const at::Tensor& Length(const State& state) { return state.Get("length"); }    // int64 [B]
const at::Tensor& Stop(const State& state) { return state.Get("stop"); }        // int64 [B], -1 until done

}  // namespace

void PrefixTreeConfig::Validate(ConfigErrors& errors) const {
  if (min_length > max_length) {
    errors.Add("min_length",
               "is " + std::to_string(min_length) + ", but must be at most max_length (" + std::to_string(max_length) + ")");
  }
  for (const int64_t symbol : illegal_symbols) {
    if (symbol >= num_symbols) errors.Add("illegal_symbols", std::to_string(symbol) + " is not below num_symbols");
  }
  const int64_t num_legal = static_cast<int64_t>(LegalSymbols(*this).size());
  if (num_legal == 0) errors.Add("illegal_symbols", "leave no legal symbol");
  if (FirstOfLength(num_legal, max_length).back() > kMaxStates) {
    errors.Add("max_length", "is " + std::to_string(max_length) + ": more than " + std::to_string(kMaxStates) + " strings");
  }
}

PrefixTree::PrefixTree(const PrefixTreeConfig& config)
    : config_(config),
      legal_symbols_(LegalSymbols(config)),
      first_of_length_(FirstOfLength(static_cast<int64_t>(legal_symbols_.size()), config.max_length)) {
  GFN_CHECK(!legal_symbols_.empty() && config.min_length <= config.max_length && NumStates() <= kMaxStates);
  spec_.name = "prefix_tree";
  spec_.num_actions = config.num_symbols + config.num_stops;
  spec_.is_tree = true;
  spec_.max_steps = config.max_length + 1;
  for (int64_t i = 0; i < config.num_stops; ++i) spec_.stop_actions.push_back(config.num_symbols + i);
  spec_.stops_everywhere = config.min_length == 0;
}

State PrefixTree::Initial(const std::vector<ConditionId>& conditions_B) const {
  const int64_t rows = static_cast<int64_t>(conditions_B.size());
  State state(at::zeros({rows}, at::kBool));
  state.Set("symbols", at::full({rows, config_.max_length}, -1, at::kLong));
  state.Set("length", at::zeros({rows}, at::kLong));
  state.Set("stop", at::full({rows}, -1, at::kLong));
  return state.Set("condition", ConditionColumn(conditions_B));
}

State PrefixTree::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const at::Tensor live_B = state.done_B().logical_not();
  const at::Tensor stops_B = live_B.logical_and(actions_B.ge(config_.num_symbols));
  const at::Tensor grows_B = live_B.logical_and(actions_B.lt(config_.num_symbols));
  State next = state;
  const at::Tensor places_M = at::arange(config_.max_length, at::kLong);
  const at::Tensor here_BM = places_M.unsqueeze(0).eq(Length(state).unsqueeze(1)).logical_and(grows_B.unsqueeze(1));
  next.Set("symbols", at::where(here_BM, actions_B.unsqueeze(1), Symbols(state)));
  next.Set("length", Length(state) + grows_B);
  next.Set("stop", at::where(stops_B, actions_B - config_.num_symbols, Stop(state)));
  return next.SetDone(state.done_B().logical_or(stops_B));
}

State PrefixTree::Undo(const State& state, const at::Tensor&) const {
  const at::Tensor shrinks_B = state.done_B().logical_not().logical_and(Length(state).gt(0));
  State previous = state;
  const at::Tensor length_B = Length(state) - shrinks_B.to(at::kLong);
  const at::Tensor after_BM = at::arange(config_.max_length, at::kLong).unsqueeze(0).ge(length_B.unsqueeze(1));
  previous.Set("symbols", Symbols(state).masked_fill(after_BM, -1));
  previous.Set("length", length_B);
  previous.Set("stop", at::full_like(Stop(state), -1));
  return previous.SetDone(at::zeros_like(state.done_B()));
}

at::Tensor PrefixTree::ForwardAction(const State& state, const at::Tensor&) const {
  const at::Tensor last_B1 = (Length(state) - 1).clamp_min(0).unsqueeze(1);
  const at::Tensor symbol_B = Symbols(state).gather(1, last_B1).squeeze(1).clamp_min(0);
  return at::where(state.done_B(), Stop(state) + config_.num_symbols, symbol_B);
}

Support PrefixTree::ForwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_actions;
  support.stops_S = at::tensor(spec_.stop_actions, at::kLong);
  support.vocabulary_A = at::zeros({spec_.num_actions}, at::kBool).index_fill(0, at::tensor(legal_symbols_, at::kLong), true);
  support.stop_legal_B = Length(state).ge(config_.min_length);
  support.inner_legal_B = Length(state).lt(config_.max_length);
  support.done_B = state.done_B();
  return support;
}

at::Tensor PrefixTree::IsInitial(const State& state) const {
  return Length(state).eq(0).logical_and(state.done_B().logical_not());
}

at::Tensor PrefixTree::IsBelow(const State& state, const State& root) const {
  return Symbols(state).eq(Symbols(root)).logical_or(Symbols(root).lt(0)).all(1);
}

std::string PrefixTree::Format(const State& state, int64_t row) const {
  std::vector<std::string> parts;
  for (int64_t i = 0; i < Length(state)[row].item<int64_t>(); ++i)
    parts.push_back(std::to_string(Symbols(state)[row][i].item<int64_t>()));
  std::string text = "[";
  text += Join(parts, " ") + "]";
  if (state.done_B()[row].item<bool>()) text += " stop " + std::to_string(Stop(state)[row].item<int64_t>());
  return text;
}

std::string PrefixTree::SupportDigest() const {
  std::vector<std::string> illegal;
  for (const int64_t symbol : config_.illegal_symbols) illegal.push_back(std::to_string(symbol));
  return "prefix_tree symbols=" + std::to_string(config_.num_symbols) + " stops=" + std::to_string(config_.num_stops) +
         " length=" + std::to_string(config_.min_length) + ".." + std::to_string(config_.max_length) +
         " illegal=" + Join(illegal, ",");
}

State PrefixTree::StatesAt(const at::Tensor& index_B, ConditionId condition) const {
  const int64_t rows = index_B.size(0), base = static_cast<int64_t>(legal_symbols_.size());
  State state = Initial(Repeat(condition, rows));
  const at::Tensor symbols_BM = Symbols(state).clone(), length_B = Length(state).clone();
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t index = index_B[row].item<int64_t>();
    const auto place = std::upper_bound(first_of_length_.begin(), first_of_length_.end(), index) - 1;
    const int64_t length = place - first_of_length_.begin();
    int64_t rest = index - *place;
    for (int64_t i = length - 1; i >= 0; --i, rest /= base) symbols_BM[row][i] = legal_symbols_[rest % base];
    length_B[row] = length;
  }
  return state.Set("symbols", symbols_BM).Set("length", length_B);
}

State PrefixTree::ObjectsAt(const at::Tensor& index_B, ConditionId condition) const {
  const int64_t first = first_of_length_[config_.min_length];
  State state = StatesAt(index_B.div(config_.num_stops, "floor") + first, condition);
  return state.Set("stop", index_B.remainder(config_.num_stops)).SetDone(at::ones_like(state.done_B()));
}

at::Tensor PrefixTree::StateIndex(const State& state) const {
  const int64_t base = static_cast<int64_t>(legal_symbols_.size());
  std::vector<int64_t> digit(config_.num_symbols, 0);
  for (int64_t i = 0; i < base; ++i) digit[legal_symbols_[i]] = i;
  const at::Tensor digits_V = at::tensor(digit, at::kLong);
  at::Tensor index_B = at::zeros_like(Length(state));
  for (int64_t i = 0; i < config_.max_length; ++i) {
    const at::Tensor symbol_B = Symbols(state).select(1, i);
    const at::Tensor next_B = index_B * base + digits_V.index_select(0, symbol_B.clamp_min(0));
    index_B = at::where(Length(state).gt(i), next_B, index_B);
  }
  return index_B + at::tensor(first_of_length_, at::kLong).index_select(0, Length(state));
}

at::Tensor PrefixTree::ObjectIndex(const State& state) const {
  return (StateIndex(state) - first_of_length_[config_.min_length]) * config_.num_stops + Stop(state);
}

at::Tensor PrefixTree::Features(const State& state) const {
  const at::Tensor symbols_BMS = at::one_hot(Symbols(state) + 1, config_.num_symbols + 1).slice(2, 1);
  return at::cat({symbols_BMS.flatten(1), at::one_hot(Length(state), config_.max_length + 1)}, 1).to(at::kFloat);
}

StatusOr<RewardValueAlong> PrefixTreeReward::LogRewardAlong(const TrajectoryBatch& batch) const {
  const at::Tensor actions = batch.actions_BT.contiguous();
  const at::Tensor along_BT = at::zeros(actions.sizes(), at::kDouble);
  const at::Tensor body_B = at::zeros({batch.size()}, at::kDouble), stop_B = at::zeros({batch.size()}, at::kDouble);
  for (int64_t row = 0; row < batch.size(); ++row) {
    const int64_t* a = actions.data_ptr<int64_t>() + row * batch.num_steps();
    const int64_t last = batch.lengths_B[row].item<int64_t>() - 1;
    double sum = 0;
    for (int64_t k = 0; k <= last; ++k) {
      // s_k holds the symbols a[0 .. k-1]; stopping there pays for them and for the stop after the last of them.
      const double end = Draw(batch.condition_ids[row], k, k > 0 ? a[k - 1] : -1, a[last]);
      along_BT[row][k] = sum + end;
      if (k == last) stop_B[row] = end;
      if (k < last) sum += Draw(batch.condition_ids[row], k, k > 0 ? a[k - 1] : -1, a[k]);
    }
    body_B[row] = sum;
  }
  return RewardValueAlong{along_BT, {{"body", body_B}, {"stop", stop_B}}};
}

double PrefixTreeReward::Draw(ConditionId condition, int64_t position, int64_t previous, int64_t action) const {
  const int64_t num_actions = tree_.Spec().num_actions;
  const RngKey key{seed_ ^ condition.value, RngPurpose::kTest, 0};
  return scale_ * Normal(key, position, (previous + 1) * num_actions + action);
}

at::Tensor PrefixTreeReward::LogRewardOfObjects(ConditionId condition) const {
  const State objects = tree_.ObjectsAt(at::arange(tree_.NumObjects(), at::kLong), condition);
  TrajectoryBatch batch;
  batch.condition_ids = Repeat(condition, tree_.NumObjects());
  batch.lengths_B = Length(objects) + 1;
  const at::Tensor stop_B1 = (Stop(objects) + tree_.config().num_symbols).unsqueeze(1);
  const at::Tensor symbols_BT = at::cat({Symbols(objects).clamp_min(0), at::zeros_like(stop_B1)}, 1);
  batch.actions_BT = symbols_BT.scatter(1, Length(objects).unsqueeze(1), stop_B1);
  return LogReward(batch)->log_reward_B;
}

StatusOr<RewardedWorld> CreateWorld(const PrefixTreeConfig& config) { return BuildWorld<PrefixTree, PrefixTreeReward>(config); }

std::string PrefixTreeReward::Digest() const {
  return "prefix_tree seed=" + std::to_string(seed_) + " scale=" + FormatReal(scale_);
}

}  // namespace gfn
