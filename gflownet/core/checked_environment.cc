#include "gflownet/core/checked_environment.h"

#include <sstream>

#include "gflownet/core/fast_world.h"

namespace gfn {
namespace {

// What a method of one world has returned.
class Answer {
 public:
  Answer(const EnvironmentSpec& spec, const char* method) : spec_(spec), method_(method) {}

  template <class Text>
  void Expect(bool ok, Text&& what) const {
    if (!ok) throw ContractError(spec_.name + ": " + method_ + " " + what());
  }
  void ExpectTensor(const at::Tensor& found, at::ScalarType type, at::IntArrayRef sizes, const char* what) const {
    Expect(found.defined() && found.is_cpu() && found.scalar_type() == type && found.sizes() == sizes, [&] {
      std::ostringstream text;
      text << "returned " << what << " of " << Describe(found) << ", expected " << type << " " << sizes << " on the CPU";
      return text.str();
    });
  }
  void ExpectReal(const at::Tensor& found, at::IntArrayRef sizes, const char* what) const {
    Expect(found.defined() && found.is_cpu() && found.is_floating_point() && found.sizes() == sizes, [&] {
      std::ostringstream text;
      text << "returned " << what << " of " << Describe(found) << ", expected real numbers " << sizes << " on the CPU";
      return text.str();
    });
  }
  // int64 [B], each from 0 to most - 1.
  void ExpectNumbers(const at::Tensor& found_B, int64_t num_rows, int64_t most, const char* what) const {
    ExpectTensor(found_B, at::kLong, {num_rows}, what);
    const at::Tensor bad = found_B.lt(0).logical_or(found_B.ge(most));
    Expect(!bad.any().item<bool>(), [&] {
      return "returned " + std::string(what) + " " + std::to_string(found_B.index({bad})[0].item<int64_t>()) +
             ", expected 0 .. " + std::to_string(most - 1);
    });
  }
  void ExpectState(const State& found, int64_t num_rows) const { ExpectTensor(found.done_B(), at::kBool, {num_rows}, "done"); }
  // With the tensors of another state of the same number of rows.
  void ExpectLike(const State& found, const State& like) const {
    ExpectState(found, like.batch_size());
    Expect(found.tensors().size() == like.tensors().size(),
           [&] { return "returned tensors " + Names(found) + ", the state has " + Names(like); });
    for (const auto& [name, value] : like.tensors()) {
      const auto place = found.tensors().find(name);
      Expect(place != found.tensors().end(),
             [&, &name = name] { return "returned no tensor '" + name + "', only " + Names(found); });
      ExpectTensor(place->second, value.scalar_type(), value.sizes(), ("'" + name + "'").c_str());
    }
  }

 private:
  static std::string Describe(const at::Tensor& tensor) {
    std::ostringstream text;
    tensor.defined() ? text << tensor.scalar_type() << " " << tensor.sizes() : text << "nothing";
    if (tensor.defined() && !tensor.is_cpu()) text << " on " << tensor.device();
    return text.str();
  }
  static std::string Names(const State& state) {
    std::string names;
    for (const auto& [name, value] : state.tensors()) names += (names.empty() ? "'" : ", '") + name + "'";
    return names.empty() ? "none" : names;
  }

  const EnvironmentSpec& spec_;
  const char* method_;
};

void ExpectSupport(const Answer& answer, const Support& support, int64_t num_rows, int64_t num_actions) {
  answer.ExpectTensor(support.done_B, at::kBool, {num_rows}, "done_B");
  answer.Expect(support.num_actions == num_actions, [&] {
    return "returned num_actions " + std::to_string(support.num_actions) + ", expected " + std::to_string(num_actions);
  });
  if (support.mask_BA.defined()) answer.ExpectTensor(support.mask_BA, at::kBool, {num_rows, num_actions}, "mask_BA");
  if (support.vocabulary_A.defined()) answer.ExpectTensor(support.vocabulary_A, at::kBool, {num_actions}, "vocabulary_A");
  if (support.stop_legal_B.defined()) answer.ExpectTensor(support.stop_legal_B, at::kBool, {num_rows}, "stop_legal_B");
  if (support.inner_legal_B.defined()) answer.ExpectTensor(support.inner_legal_B, at::kBool, {num_rows}, "inner_legal_B");
  if (support.stops_S.defined()) answer.ExpectNumbers(support.stops_S, support.stops_S.numel(), num_actions, "stops_S");
  if (support.forced_B.defined()) answer.ExpectNumbers(support.forced_B + 1, num_rows, num_actions + 1, "forced_B + 1");
}

// `Base`: Environment or EnumerableEnvironment.
template <class Base>
class Checked : public Base {
 public:
  explicit Checked(const Environment& rules) : rules_(dynamic_cast<const Base&>(rules)) {}
  void Own(std::unique_ptr<Environment> inner) { inner_ = std::move(inner); }

  const EnvironmentSpec& Spec() const override { return rules_.Spec(); }
  State Initial(const std::vector<ConditionId>& conditions_B) const override {
    State state = rules_.Initial(conditions_B);
    Of("Initial").ExpectState(state, static_cast<int64_t>(conditions_B.size()));
    return state;
  }
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override {
    State next = rules_.Step(state, actions_B, outcome_B);
    Of("Step").ExpectLike(next, state);
    return next;
  }
  State Undo(const State& state, const at::Tensor& backward_actions_B) const override {
    State parent = rules_.Undo(state, backward_actions_B);
    Of("Undo").ExpectLike(parent, state);
    return parent;
  }
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override {
    at::Tensor back_B = rules_.BackwardAction(state, actions_B, outcome_B);
    if (IsDiscrete()) {
      Of("BackwardAction")
          .ExpectNumbers(back_B.masked_fill(state.done_B(), 0), state.batch_size(), NumBackward(), "a backward action");
    }
    return back_B;
  }
  at::Tensor ForwardAction(const State& state, const at::Tensor& backward_actions_B) const override {
    at::Tensor actions_B = rules_.ForwardAction(state, backward_actions_B);
    Of("ForwardAction").ExpectNumbers(actions_B, state.batch_size(), Spec().num_actions, "an action");
    return actions_B;
  }
  Support ForwardSupport(const State& state) const override {
    Support support = rules_.ForwardSupport(state);
    const Answer answer = Of("ForwardSupport");
    const int64_t num_rows = state.batch_size();
    if (!IsDiscrete()) {
      answer.ExpectTensor(support.done_B, at::kBool, {num_rows}, "done_B");
      answer.ExpectReal(support.low_BD, {num_rows, Spec().action_width}, "low_BD");
      answer.ExpectReal(support.high_BD, {num_rows, Spec().action_width}, "high_BD");
      return support;
    }
    ExpectSupport(answer, support, num_rows, Spec().num_actions);
    answer.Expect(support.done_B.equal(state.done_B()), [] { return "returned a done_B that is not the state's"; });
    const at::Tensor stuck_B = support.Dense().any(1).logical_or(state.done_B()).logical_not();
    answer.Expect(!stuck_B.any().item<bool>(), [&] {
      return "allows no action in '" + rules_.Format(state, stuck_B.nonzero()[0].template item<int64_t>()) +
             "', which is not finished";
    });
    return support;
  }
  Support BackwardSupport(const State& state) const override {
    Support support = rules_.BackwardSupport(state);
    if (IsDiscrete()) ExpectSupport(Of("BackwardSupport"), support, state.batch_size(), NumBackward());
    return support;
  }
  at::Tensor IsInitial(const State& state) const override {
    at::Tensor initial_B = rules_.IsInitial(state);
    Of("IsInitial").ExpectTensor(initial_B, at::kBool, {state.batch_size()}, "a tensor");
    return initial_B;
  }
  int64_t NumOutcomes() const override { return rules_.NumOutcomes(); }
  at::Tensor LogOutcomes(const State& state, const at::Tensor& actions_B) const override {
    at::Tensor log_BO = rules_.LogOutcomes(state, actions_B);
    Of("LogOutcomes").ExpectReal(log_BO, {state.batch_size(), rules_.NumOutcomes()}, "log-probabilities");
    return log_BO;
  }
  at::Tensor IsBelow(const State& state, const State& root) const override { return rules_.IsBelow(state, root); }
  std::string Format(const State& state, int64_t row) const override { return rules_.Format(state, row); }
  std::string SupportDigest() const override { return rules_.SupportDigest(); }

 protected:
  Answer Of(const char* method) const { return {rules_.Spec(), method}; }
  bool IsDiscrete() const { return Spec().action == EnvironmentSpec::Action::kDiscrete; }
  int64_t NumBackward() const { return Spec().is_tree ? 1 : Spec().num_backward_actions; }

  std::unique_ptr<Environment> inner_;  // what the rules are, where they are owned
  const Base& rules_;
};

class CheckedEnumerable : public Checked<EnumerableEnvironment> {
 public:
  using Checked::Checked;
  Status ListingStatus() const override { return rules_.ListingStatus(); }
  int64_t NumStates() const override { return rules_.NumStates(); }
  int64_t NumObjects() const override { return rules_.NumObjects(); }
  bool ObjectsNeedStates() const override { return rules_.ObjectsNeedStates(); }
  State StatesAt(const at::Tensor& index_B, ConditionId condition) const override {
    State states = rules_.StatesAt(index_B, condition);
    Of("StatesAt").ExpectState(states, index_B.numel());
    return states;
  }
  State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const override {
    State objects = rules_.ObjectsAt(index_B, condition);
    Of("ObjectsAt").ExpectState(objects, index_B.numel());
    return objects;
  }
  at::Tensor StateIndex(const State& state) const override {
    at::Tensor index_B = rules_.StateIndex(state);
    Of("StateIndex").ExpectNumbers(index_B.masked_fill(state.done_B(), 0), state.batch_size(), NumStates(), "a number");
    return index_B;
  }
  at::Tensor ObjectIndex(const State& state) const override {
    at::Tensor index_B = rules_.ObjectIndex(state);
    Of("ObjectIndex")
        .ExpectNumbers(index_B.masked_fill(state.done_B().logical_not(), 0), state.batch_size(), NumObjects(), "a number");
    return index_B;
  }
};

}  // namespace

std::unique_ptr<Environment> CheckAnswers(std::unique_ptr<Environment> inner) {
  if (FastFace(*inner) != nullptr) return inner;
  const auto owned = [&](auto checked) -> std::unique_ptr<Environment> {
    checked->Own(std::move(inner));
    return checked;
  };
  if (dynamic_cast<const EnumerableEnvironment*>(inner.get()) != nullptr)
    return owned(std::make_unique<CheckedEnumerable>(*inner));
  return owned(std::make_unique<Checked<Environment>>(*inner));
}

std::unique_ptr<Environment> CheckAnswers(const Environment& rules) {
  if (FastFace(rules) != nullptr) return nullptr;
  if (dynamic_cast<const EnumerableEnvironment*>(&rules) != nullptr) return std::make_unique<CheckedEnumerable>(rules);
  return std::make_unique<Checked<Environment>>(rules);
}

}  // namespace gfn
