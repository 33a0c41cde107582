// What CheckWorld says of worlds with one mistake each, as people make them.
#include "gflownet/env/conformance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/env/row_world.h"

namespace gfn {
namespace {

using testing::HasSubstr;
constexpr int64_t kTop = 6, kStop = 2;

// Stairs climbed by one or two steps and left anywhere: a DAG of 7 states and 7 objects, whose every answer can be replaced.
struct Mistakes {
  std::function<State(const State& state, const at::Tensor& actions_B, State next)> step{};
  std::function<State(const State& state, State parent)> undo{};
  std::function<void(const State& state, Support& support)> forward{};
  std::function<void(const State& state, Support& support)> backward{};
  std::function<at::Tensor(at::Tensor back_B)> backward_action{};
  std::function<at::Tensor(at::Tensor log_reward_B)> reward{};
  std::function<at::Tensor(at::Tensor features)> features{};
  std::function<std::string(std::string text)> format{};
  std::function<at::Tensor(at::Tensor index_B)> index{};
  std::function<State(State initial)> initial{};
  std::function<void(EnvironmentSpec& spec)> spec{};
};

class Stairs : public EnumerableEnvironment {
 public:
  explicit Stairs(Mistakes mistakes) : mistakes_(std::move(mistakes)) {
    if (mistakes_.spec) mistakes_.spec(spec_);
  }
  const EnvironmentSpec& Spec() const override { return spec_; }
  State Initial(const std::vector<ConditionId>& ids) const override {
    State state = StatesAt(at::zeros({static_cast<int64_t>(ids.size())}, at::kLong), {});
    return mistakes_.initial ? mistakes_.initial(std::move(state)) : state;
  }
  using Environment::Step;
  State Step(const State& s, const at::Tensor& a, const at::Tensor&) const override {
    const at::Tensor stays = s.done_B().logical_or(a.eq(kStop));
    State next = At(s.Get("step") + (a + 1).masked_fill(stays, 0), stays);
    return mistakes_.step ? mistakes_.step(s, a, std::move(next)) : next;
  }
  State Undo(const State& s, const at::Tensor& a) const override {
    State parent =
        At(s.Get("step") - (a + 1).masked_fill(s.done_B().logical_or(IsInitial(s)), 0), s.done_B().logical_and(a.ne(kStop)));
    return mistakes_.undo ? mistakes_.undo(s, std::move(parent)) : parent;
  }
  using Environment::BackwardAction;
  at::Tensor BackwardAction(const State&, const at::Tensor& a, const at::Tensor&) const override {
    return mistakes_.backward_action ? mistakes_.backward_action(a) : a;
  }
  Support ForwardSupport(const State& s) const override {
    const at::Tensor step = s.Get("step");
    Support support{.num_actions = 3,
                    .mask_BA = at::stack({step.lt(kTop), step.lt(kTop - 1), at::ones_like(s.done_B())}, 1),
                    .done_B = s.done_B()};
    if (mistakes_.forward) mistakes_.forward(s, support);
    return support;
  }
  Support BackwardSupport(const State& s) const override {
    const at::Tensor step = s.Get("step"), inside = s.done_B().logical_not();
    Support support{.num_actions = 3,
                    .mask_BA = at::stack({step.ge(1) & inside, step.ge(2) & inside, s.done_B()}, 1),
                    .done_B = IsInitial(s)};
    if (mistakes_.backward) mistakes_.backward(s, support);
    return support;
  }
  at::Tensor IsInitial(const State& s) const override { return s.Get("step").eq(0) & s.done_B().logical_not(); }
  std::string Format(const State& s, int64_t row) const override {
    const std::string text = Environment::Format(s, row);
    return mistakes_.format ? mistakes_.format(text) : text;
  }
  std::string SupportDigest() const override { return "stairs"; }
  int64_t NumStates() const override { return kTop + 1; }
  int64_t NumObjects() const override { return kTop + 1; }
  State StatesAt(const at::Tensor& index, ConditionId) const override { return At(index, at::zeros_like(index, at::kBool)); }
  State ObjectsAt(const at::Tensor& index, ConditionId) const override { return At(index, at::ones_like(index, at::kBool)); }
  at::Tensor StateIndex(const State& s) const override {
    return mistakes_.index ? mistakes_.index(s.Get("step")) : s.Get("step");
  }
  at::Tensor ObjectIndex(const State& s) const override { return s.Get("step"); }

  static State At(const at::Tensor& step_B, const at::Tensor& done_B) { return State(done_B).Set("step", step_B); }

 private:
  Mistakes mistakes_;
  EnvironmentSpec spec_{
      .name = "stairs", .num_actions = 3, .num_backward_actions = 3, .max_steps = kTop + 1, .stop_actions = {kStop}};
};

struct StairsReward : StateReward {
  StairsReward(const Environment& environment, const Mistakes& mistakes) : StateReward(environment), change(mistakes.reward) {}
  at::Tensor LogRewardOf(const State& s) const override {
    const at::Tensor log_reward_B = s.Get("step").to(at::kDouble) * 0.25;
    return change ? change(log_reward_B) : log_reward_B;
  }
  std::string Digest() const override { return "a quarter of the step"; }
  std::function<at::Tensor(at::Tensor)> change;
};

RewardedWorld MakeStairs(const Mistakes& mistakes) {
  RewardedWorld world;
  auto stairs = std::make_unique<Stairs>(mistakes);
  world.reward = std::make_unique<StairsReward>(*stairs, mistakes);
  world.features = StateFeatures([change = mistakes.features](const State& s) {
    const at::Tensor features = s.Get("step").to(at::kFloat).unsqueeze(1);
    return change ? change(features) : features;
  });
  world.num_features = 1;
  world.environment = std::move(stairs);
  return world;
}

std::string FoundIn(const Mistakes& mistakes) {
  const Status status = CheckWorld(MakeStairs(mistakes));
  return status.ok() ? "nothing" : Message(status);
}

TEST(CheckWorld, FindsNothingInAWorldThatIsRight) { EXPECT_EQ(FoundIn({}), "nothing"); }

TEST(CheckWorld, FindsWrongWaysBack) {
  const auto set = [](int64_t action, bool legal) {
    return [action, legal](const State& s, Support& support) {
      const at::Tensor inside = s.done_B().logical_not() & s.Get("step").eq(5);
      support.mask_BA.select(1, action).masked_fill_(inside, legal);
    };
  };
  EXPECT_THAT(FoundIn({.backward = set(1, false)}), HasSubstr("BackwardSupport: "));
  EXPECT_THAT(FoundIn({.backward = set(1, false)}), HasSubstr("is not legal"));
  EXPECT_THAT(FoundIn({.backward = set(2, true)}), HasSubstr("BackwardSupport: "));
  EXPECT_THAT(FoundIn({.backward = [](const State&, Support& s) { s.mask_BA = s.mask_BA.slice(1, 0, 2); }}),
              HasSubstr("BackwardSupport returned mask_BA of Bool [8, 2], expected Bool [8, 3]"));
  EXPECT_THAT(FoundIn({.undo =
                           [](const State& s, State p) {
                             return p.Set("step", at::where(s.Get("step").eq(4), at::zeros_like(p.Get("step")), p.Get("step")));
                           }}),
              HasSubstr("Undo"));
  EXPECT_THAT(FoundIn({.undo = [](const State&, State p) { return p.Set("other", p.Get("step")); }}),
              HasSubstr("Undo returned tensors 'other', 'step'"));
  EXPECT_THAT(FoundIn({.backward_action = [](at::Tensor a) { return a + 1; }}),
              HasSubstr("returned a backward action 3, expected 0 .. 2"));
  EXPECT_THAT(FoundIn({.spec = [](EnvironmentSpec& s) { s.num_backward_actions = 0; }}), HasSubstr("num_backward_actions is 0"));
  EXPECT_THAT(FoundIn({.spec = [](EnvironmentSpec& s) { s.is_tree = true, s.num_backward_actions = 0; }}),
              HasSubstr("BackwardSupport returned num_actions 3"));
}

TEST(CheckWorld, FindsWrongSteps) {
  EXPECT_THAT(FoundIn({.step = [](const State&, const at::Tensor&, State n) { return n.Gather(at::zeros({1}, at::kLong)); }}),
              HasSubstr("Step returned done of Bool [1], expected Bool [8]"));
  EXPECT_THAT(
      FoundIn({.step = [](const State&, const at::Tensor&, State n) { return n.Set("step", n.Get("step").to(at::kFloat)); }}),
      HasSubstr("Step returned 'step' of Float [8], expected Long [8]"));
  EXPECT_THAT(FoundIn({.step = [](const State&, const at::Tensor&, State n) { return State(n.done_B()); }}),
              HasSubstr("returned tensors none"));
  EXPECT_THAT(FoundIn({.step = [](const State&, const at::Tensor&, State n) { return State(n.done_B().to(at::kLong)); }}),
              HasSubstr("done must be bool"));
  EXPECT_THAT(FoundIn({.step = [](const State& s, const at::Tensor&,
                                  State n) { return n.Set("step", n.Get("step") + s.done_B().to(at::kLong)); }}),
              HasSubstr("a finished row was changed"));
  // Of the batch and not of the row.
  EXPECT_THAT(FoundIn({.step = [](const State&, const at::Tensor&,
                                  State n) { return n.Set("step", n.Get("step").max().expand_as(n.Get("step")).contiguous()); }}),
              testing::Not("nothing"));
  EXPECT_THAT(
      FoundIn({.step = [](const State&, const at::Tensor&, State) -> State { throw std::runtime_error("no such floor"); }}),
      HasSubstr("no such floor"));
  EXPECT_THAT(FoundIn({.step = [](const State&, const at::Tensor&, State n) { return n.Set("step", n.Get("floor")); }}),
              HasSubstr("no tensor 'floor'"));
}

TEST(CheckWorld, FindsTrajectoriesThatNeverEnd) {
  EXPECT_THAT(FoundIn({.spec = [](EnvironmentSpec& s) { s.max_steps = 3; }}),
              HasSubstr("not finished after max_steps = 3 actions"));
  // A cycle: from the third step back to the first.
  const auto cycle = [](const State& s, const at::Tensor& a, State n) {
    return n.Set("step", at::where(s.Get("step").eq(3) & a.eq(1), at::ones_like(a), n.Get("step")));
  };
  EXPECT_THAT(FoundIn({.step = cycle}), testing::Not("nothing"));
  EXPECT_THAT(FoundIn({.initial = [](State s) { return s.SetDone(at::ones_like(s.done_B())); }}),
              HasSubstr("an initial state is finished"));
}

TEST(CheckWorld, FindsWrongSupports) {
  EXPECT_THAT(
      FoundIn({.forward = [](const State& s,
                             Support& support) { support.mask_BA = support.mask_BA & s.Get("step").ne(2).unsqueeze(1); }}),
      HasSubstr("allows no action in 'open step 2', which is not finished"));
  EXPECT_THAT(FoundIn({.forward = [](const State&, Support& s) { s.mask_BA = s.mask_BA.to(at::kLong); }}),
              HasSubstr("mask_BA of Long [8, 3], expected Bool [8, 3]"));
  EXPECT_THAT(FoundIn({.forward = [](const State&, Support& s) { s.mask_BA = s.mask_BA.t().contiguous(); }}),
              HasSubstr("mask_BA of Bool [3, 8]"));
  EXPECT_THAT(FoundIn({.forward = [](const State&, Support& s) { s.num_actions = 4; }}), HasSubstr("num_actions 4, expected 3"));
  EXPECT_THAT(FoundIn({.forward = [](const State&, Support& s) { s.done_B = at::zeros_like(s.done_B); }}),
              HasSubstr("a done_B that is not the state's"));
  // An action that the rules cannot take: it climbs beyond the top.
  EXPECT_THAT(FoundIn({.forward = [](const State&, Support& s) { s.mask_BA = at::ones_like(s.mask_BA); }}),
              testing::Not("nothing"));
}

TEST(CheckWorld, FindsWrongRewards) {
  const auto at_the_top = [](double value) { return [value](at::Tensor r) { return at::where(r.eq(0.25 * kTop), value, r); }; };
  EXPECT_THAT(FoundIn({.reward = at_the_top(NAN)}), HasSubstr("log R is nan"));
  EXPECT_THAT(FoundIn({.reward = at_the_top(INFINITY)}), HasSubstr("log R is inf"));
  EXPECT_THAT(FoundIn({.reward = at_the_top(-INFINITY)}), HasSubstr("log R is -inf"));
  EXPECT_THAT(FoundIn({.reward = [](at::Tensor r) { return r.unsqueeze(1); }}), HasSubstr("log R must be a float tensor"));
  EXPECT_THAT(FoundIn({.reward = [](at::Tensor r) { return r.to(at::kLong); }}), HasSubstr("log R must be a float tensor"));
  EXPECT_THAT(FoundIn({.reward = [](at::Tensor) { return at::Tensor(); }}), HasSubstr("found nothing"));
  EXPECT_THAT(FoundIn({.reward = [](at::Tensor r) { return r + r.sum(); }}), HasSubstr("alone against the batch"));
  double calls = 0;
  EXPECT_THAT(FoundIn({.reward = [&calls](at::Tensor r) { return r + ++calls; }}), HasSubstr("other values the second time"));
}

TEST(CheckWorld, FindsWrongNamesNumbersAndFeatures) {
  EXPECT_THAT(FoundIn({.format = [](const std::string&) { return std::string("a step"); }}),
              HasSubstr("Format: different states are both 'a step'"));
  EXPECT_THAT(FoundIn({.index = [](at::Tensor i) { return i + 1; }}), testing::Not("nothing"));
  EXPECT_THAT(FoundIn({.index = [](at::Tensor i) { return (i + 1).remainder(kTop + 1); }}),
              HasSubstr("StateIndex(StatesAt(i)) is not i"));
  EXPECT_THAT(FoundIn({.features = [](at::Tensor f) { return f.squeeze(1); }}),
              HasSubstr("features: expected real numbers [B, 1]"));
  EXPECT_THAT(FoundIn({.features = [](at::Tensor f) { return f.to(at::kLong); }}), HasSubstr("features: "));
}

// The same stairs one state at a time: {step, 0 once left}.
class RowStairs : public RowWorld {
 public:
  enum class Mistake { kNone, kIsLegalBack, kUndoRow, kOutOfRange, kCycle, kNoWayOut, kNan };
  explicit RowStairs(Mistake mistake, int64_t max_steps = kTop + 1)
      : RowWorld({.name = "stairs", .num_actions = 3, .num_backward_actions = 3, .max_steps = max_steps, .stop_actions = {kStop}},
                 2, kTop + 1),
        mistake_(mistake) {}
  void InitialRow(int32_t* row) const override { row[0] = 0, row[1] = -1; }
  bool RowIsDone(const int32_t* row) const override { return row[1] == 0; }
  bool IsLegal(const int32_t* row, int64_t a) const override {
    if (mistake_ == Mistake::kNoWayOut && row[0] == 3) return false;
    return a == kStop || row[0] + a < kTop || mistake_ == Mistake::kOutOfRange;
  }
  void StepRow(int32_t* row, int64_t a) const override {
    if (mistake_ == Mistake::kCycle && row[0] == 4 && a == 0)
      row[0] = 2;
    else if (a == kStop)
      row[1] = 0;
    else
      row[0] += static_cast<int32_t>(a) + 1;
  }
  void UndoRow(int32_t* row, int64_t back) const override {
    if (back == kStop)
      row[1] = -1;
    else
      row[0] -= mistake_ == Mistake::kUndoRow ? 1 : static_cast<int32_t>(back) + 1;
  }
  int64_t BackwardActionOfRow(const int32_t*, int64_t a) const override { return a; }
  bool IsLegalBack(const int32_t* row, int64_t back) const override {
    if (mistake_ == Mistake::kIsLegalBack && row[0] == kTop && back == 1) return false;
    return row[1] == 0 ? back == kStop : back != kStop && row[0] > back;
  }
  double LogRewardOfRow(const int32_t* row) const override {
    return mistake_ == Mistake::kNan ? std::sqrt(row[0] - 1.0) : 0.25 * row[0];
  }

 private:
  Mistake mistake_;
};

std::string FoundInRows(RowStairs::Mistake mistake, int64_t max_steps = kTop + 1) {
  const Status status = CheckWorld(WithRowReward(std::make_unique<RowStairs>(mistake, max_steps), "stairs"));
  return status.ok() ? "nothing" : Message(status);
}

TEST(RowWorld, IsAWorldAndItsMistakesAreFound) {
  using Mistake = RowStairs::Mistake;
  EXPECT_EQ(FoundInRows(Mistake::kNone), "nothing");
  EXPECT_THAT(FoundInRows(Mistake::kIsLegalBack), HasSubstr("BackwardSupport: "));
  EXPECT_THAT(FoundInRows(Mistake::kUndoRow), HasSubstr("Undo"));
  EXPECT_THAT(FoundInRows(Mistake::kOutOfRange), testing::Not("nothing"));
  EXPECT_THAT(FoundInRows(Mistake::kCycle), testing::Not("nothing"));
  EXPECT_THAT(FoundInRows(Mistake::kNoWayOut), HasSubstr("no action"));
  EXPECT_THAT(FoundInRows(Mistake::kNan), HasSubstr("nan"));
  EXPECT_THAT(FoundInRows(Mistake::kNone, 3), HasSubstr("max_steps"));
}

TEST(RowWorld, IsListedByWalkingWhereWaysDifferInLength) {
  const RowStairs stairs(RowStairs::Mistake::kNone);
  ASSERT_TRUE(stairs.ListingStatus().ok()) << stairs.ListingStatus();
  EXPECT_EQ(stairs.NumStates(), kTop + 1);
  EXPECT_EQ(stairs.NumObjects(), kTop + 1);
  const RowStairs cyclic(RowStairs::Mistake::kCycle, 1000);
  EXPECT_THAT(Message(cyclic.ListingStatus()), HasSubstr("cycle"));
}

}  // namespace
}  // namespace gfn
