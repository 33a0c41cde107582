#include "gflownet/env/conformance.h"

#include <sstream>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/checked_environment.h"
#include "gflownet/env/state_graph.h"
#include "gflownet/tensor/exceptions.h"

namespace gfn {
namespace {

constexpr int64_t kMostSteps = int64_t{1} << 20;  // each is walked once: a second or two

void CheckFeatures(const Environment& environment, const StateFeatures& features_of, int64_t num_features, Findings& findings) {
  const std::vector<ConditionId> two = {Unconditional(), Unconditional()};
  const at::Tensor features = features_of(environment.Initial(two));
  const bool ok = features.defined() && features.is_floating_point() && features.sizes() == at::IntArrayRef{2, num_features};
  findings.Expect(ok, [&] {
    std::ostringstream text;
    text << "features: expected real numbers [B, " << num_features << "], found ";
    features.defined() ? text << features.scalar_type() << " " << features.sizes() : text << "nothing";
    return text.str() + " of two states";
  });
}

// Every edge: the way back is legal in the child and leads to the parent; a node has as many legal ways back as edges lead to it.
void CheckEveryWayBack(const EnumerableEnvironment& environment, ConditionId condition, const StateGraph& graph,
                       Findings& findings) {
  const at::Tensor states_N = at::arange(graph.num_states(), at::kLong), objects_X = at::arange(graph.num_objects(), at::kLong);
  const State nodes =
      State::Concatenate({environment.StatesAt(states_N, condition), environment.ObjectsAt(objects_X, condition)});
  const State parents = nodes.Gather(graph.parent_E()), children = nodes.Gather(graph.child_E());
  const auto edge = [&](int64_t e) {
    return "action " + std::to_string(graph.action_E()[e].item<int64_t>()) + " from '" + environment.Format(parents, e) +
           "' to '" + environment.Format(children, e) + "'";
  };
  const State stepped = environment.Step(parents, graph.action_E(), graph.outcome_E());
  const at::Tensor other_M = stepped.EqualRows(children).logical_not().nonzero().squeeze(1);
  findings.Expect(other_M.numel() == 0, [&] {
    return "numbering: another state has the number of the one reached by " + edge(other_M[0].item<int64_t>());
  });
  const at::Tensor illegal_M =
      environment.BackwardSupport(children).IsLegal(graph.backward_action_E()).logical_not().nonzero().squeeze(1);
  findings.Expect(illegal_M.numel() == 0, [&] {
    return "BackwardSupport: the way back of " + edge(illegal_M[0].item<int64_t>()) + " is not legal (" +
           std::to_string(illegal_M.numel()) + " of " + std::to_string(graph.num_edges()) + " steps)";
  });
  const at::Tensor lost_M =
      environment.Undo(children, graph.backward_action_E()).EqualRows(parents).logical_not().nonzero().squeeze(1);
  findings.Expect(lost_M.numel() == 0, [&] { return "Undo: does not take back " + edge(lost_M[0].item<int64_t>()); });
  if (environment.Spec().is_stochastic) return;
  const at::Tensor ways_V = environment.BackwardSupport(nodes).CountLegal();
  at::Tensor edges_V = at::zeros({nodes.batch_size()}, at::kLong);
  edges_V.index_add_(0, graph.child_E(), at::ones_like(graph.child_E()));
  const at::Tensor wrong_M = ways_V.ne(edges_V).logical_and(edges_V.gt(0)).nonzero().squeeze(1);
  findings.Expect(wrong_M.numel() == 0, [&] {
    const int64_t node = wrong_M[0].item<int64_t>();
    return "BackwardSupport: '" + environment.Format(nodes, node) + "' has " + std::to_string(ways_V[node].item<int64_t>()) +
           " legal ways back, and " + std::to_string(edges_V[node].item<int64_t>()) + " steps lead to it" +
           (environment.Spec().is_tree ? " (is_tree says one)" : "");
  });
}

}  // namespace

void FindBrokenNumbering(const EnumerableEnvironment& environment, ConditionId condition, Findings& findings) {
  const Status listing = environment.ListingStatus();
  if (listing.code() == absl::StatusCode::kResourceExhausted || !findings.ExpectOk(listing)) return;
  if (!CheckListable(environment, kMostSteps).ok()) return;
  const at::Tensor states = at::arange(environment.NumStates(), at::kLong),
                   objects = at::arange(environment.NumObjects(), at::kLong);
  const State all = environment.StatesAt(states, condition), finished = environment.ObjectsAt(objects, condition);
  findings.Expect(environment.StateIndex(all).equal(states), "numbering: StateIndex(StatesAt(i)) is not i");
  findings.Expect(environment.ObjectIndex(finished).equal(objects), "numbering: ObjectIndex(ObjectsAt(i)) is not i");
  findings.Expect(environment.IsInitial(all).equal(states.eq(0)), "numbering: state 0, and only it, is initial");
  findings.Expect(!all.done_B().any().item<bool>(), "numbering: StatesAt gives a finished object");
  findings.Expect(finished.AllDone(), "numbering: ObjectsAt gives a state that is not finished");
  if (!findings.empty()) return;
  const auto graph = StateGraph::Build(environment, condition);
  if (findings.ExpectOk(graph.status())) CheckEveryWayBack(environment, condition, *graph, findings);
}

Status CheckWorld(const RewardedWorld& world, const ConformanceOptions& options) {
  return CheckWorld(*world.environment, *world.reward, world.features, world.num_features, options);
}

Status CheckWorld(const Environment& environment, const Reward& reward, const StateFeatures& features, int64_t num_features,
                  const ConformanceOptions& options) {
  const ThrowOnCheckFailure throws;
  Findings findings;
  const auto ask = [&]() -> Status {
    const std::unique_ptr<Environment> answers = CheckAnswers(environment);
    const Environment& rules = answers != nullptr ? *answers : environment;
    const std::vector<ConditionId> conditions = {Unconditional()};
    const auto* enumerable = dynamic_cast<const EnumerableEnvironment*>(&rules);
    FindBrokenRules(rules, conditions, options, findings);
    if (findings.empty() && enumerable != nullptr) FindBrokenNumbering(*enumerable, Unconditional(), findings);
    if (findings.empty()) FindBrokenReward(rules, reward, conditions, options, findings);
    if (findings.empty()) CheckFeatures(rules, features, num_features, findings);
    if (findings.empty() && enumerable != nullptr && CheckListable(*enumerable, kMostSteps).ok()) {
      ASSIGN_OR_RETURN(const StateGraph graph, StateGraph::Build(*enumerable, Unconditional()));
      RETURN_IF_ERROR(ExactLogReward(*enumerable, graph, reward, Unconditional()).status());
    }
    return OkStatus();
  };
  try {
    findings.ExpectOk(ask());
  } catch (const ContractError& error) {
    findings.Expect(false, error.what());
  } catch (...) {
    findings.ExpectOk(StatusOfCurrentException("an exception"));
  }
  if (findings.empty()) return OkStatus();
  return FailedPrecondition("the world " + environment.Spec().name +
                            " breaks its contract (gflownet/core/environment.h, reward.h):\n  " + Join(findings.lines(), "\n  "));
}

}  // namespace gfn
