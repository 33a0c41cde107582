#include "gflownet/estimate/rooted_world.h"

#include "gflownet/base/check.h"
#include "gflownet/base/digest.h"
#include "gflownet/core/condition_column.h"
#include "gflownet/estimate/state_values.h"

namespace gfn {

RootedWorld::RootedWorld(const EnumerableEnvironment& world, ConditionId world_condition)
    : world_(world),
      world_condition_(world_condition),
      spec_(world.Spec()),
      num_states_(world.NumStates()),
      num_objects_(world.NumObjects()) {
  spec_.name = "rooted " + spec_.name;
  // The way back is a tree's only if the world is one: below a root a tree stays a tree.
}

StatusOr<std::unique_ptr<RootedWorld>> RootedWorld::Create(const EnumerableEnvironment& world, ConditionId world_condition,
                                                           const std::map<ConditionId, int64_t>& roots) {
  if (world.Spec().is_stochastic) return InvalidArgument(world.Spec().name + " is stochastic: it cannot be rooted in a state");
  ASSIGN_OR_RETURN(const StateGraph graph, StateGraph::Build(world, world_condition));
  auto rooted = std::unique_ptr<RootedWorld>(new RootedWorld(world, world_condition));
  const int64_t num_nodes = rooted->num_states_ + rooted->num_objects_;
  const int64_t num_back = std::max<int64_t>(1, world.Spec().num_backward_actions);
  rooted->child_NA_ = at::full({rooted->num_states_, world.Spec().num_actions}, -1, at::kLong);
  rooted->backward_NA_ = at::zeros_like(rooted->child_NA_);
  rooted->parent_ = at::full({num_nodes, num_back}, -1, at::kLong);
  rooted->child_NA_.index_put_({graph.parent_E(), graph.action_E()}, graph.child_E());
  rooted->backward_NA_.index_put_({graph.parent_E(), graph.action_E()}, graph.backward_action_E());
  rooted->parent_.index_put_({graph.child_E(), graph.backward_action_E()}, graph.parent_E());
  for (const auto& [condition, node] : roots) {
    if (node < 0 || node >= rooted->num_states_) {
      return InvalidArgument("root " + std::to_string(node) + " is not a state of " + world.Spec().name + ", which has " +
                             std::to_string(rooted->num_states_));
    }
    rooted->roots_[condition] = {node, ReachedFrom(graph, node)};
  }
  return rooted;
}

const RootedWorld::Root& RootedWorld::RootOf(ConditionId condition) const {
  const auto found = roots_.find(condition);
  GFN_CHECK(found != roots_.end()) << "no root for condition " << condition.ToString();
  return found->second;
}

const at::Tensor& RootedWorld::Reached(ConditionId condition) const { return RootOf(condition).reached; }

std::vector<ConditionId> RootedWorld::conditions() const {
  std::vector<ConditionId> ids;
  for (const auto& [id, root] : roots_) ids.push_back(id);
  return ids;
}

State RootedWorld::MakeState(at::Tensor node_B, at::Tensor is_start_B, at::Tensor condition_B) const {
  State state(node_B.ge(num_states_));
  state.Set("node", std::move(node_B)).Set("is_start", std::move(is_start_B)).Set("condition", std::move(condition_B));
  return state;
}

State RootedWorld::Initial(const std::vector<ConditionId>& conditions_B) const {
  std::vector<int64_t> nodes;
  for (const ConditionId id : conditions_B) nodes.push_back(RootOf(id).node);
  const at::Tensor node_B = at::tensor(nodes, at::kLong);
  return MakeState(node_B, at::ones_like(node_B, at::kBool), ConditionColumn(conditions_B));
}

State RootedWorld::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const at::Tensor moves_B = state.done_B().logical_not();
  const at::Tensor from_B = Node(state).masked_fill(state.done_B(), 0);
  const at::Tensor child_B = child_NA_.index({from_B, actions_B.masked_fill(state.done_B(), 0)});
  return MakeState(at::where(moves_B, child_B, Node(state)), state.Get("is_start").logical_and(moves_B.logical_not()),
                   state.Get("condition"));
}

at::Tensor RootedWorld::BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  return backward_NA_.index({Node(state).masked_fill(state.done_B(), 0), actions_B});
}

State RootedWorld::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  const at::Tensor stays_B = IsInitial(state);
  const at::Tensor parent_B = parent_.index({Node(state), backward_actions_B.masked_fill(stays_B, 0)});
  const at::Tensor node_B = at::where(stays_B, Node(state), parent_B);
  at::Tensor root_B = at::full_like(node_B, -1);
  for (const auto& [id, root] : roots_)
    root_B = root_B.masked_fill(state.Get("condition").eq(static_cast<int64_t>(id.value)), root.node);
  return MakeState(node_B, node_B.eq(root_B), state.Get("condition"));
}

Support RootedWorld::ForwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_actions;
  const at::Tensor legal_BA = child_NA_.index_select(0, Node(state).masked_fill(state.done_B(), 0)).ge(0);
  support.mask_BA = legal_BA;
  support.done_B = state.done_B();
  if (!spec_.stop_actions.empty()) {
    support.stops_S = at::tensor(spec_.stop_actions, at::kLong);
    support.stop_legal_B = legal_BA.index_select(1, support.stops_S).any(1);
  }
  return support;
}

at::Tensor RootedWorld::IsReached(const State& state, const at::Tensor& node_B) const {
  at::Tensor reached_B = at::zeros_like(node_B, at::kBool);
  for (const auto& [id, root] : roots_) {
    const at::Tensor mine_B = state.Get("condition").eq(static_cast<int64_t>(id.value));
    reached_B =
        reached_B.logical_or(mine_B.logical_and(root.reached.index_select(0, node_B.clamp_min(0)).logical_and(node_B.ge(0))));
  }
  return reached_B;
}

Support RootedWorld::BackwardSupport(const State& state) const {
  Support support;
  support.num_actions = parent_.size(1);
  std::vector<at::Tensor> legal;
  const at::Tensor parents = parent_.index_select(0, Node(state));
  for (int64_t action = 0; action < support.num_actions; ++action) legal.push_back(IsReached(state, parents.select(1, action)));
  support.mask_BA = at::stack(legal, 1).logical_and(IsInitial(state).logical_not().unsqueeze(1));
  support.done_B = support.mask_BA.any(1).logical_not();  // the root, and what it does not reach
  return support;
}

State RootedWorld::InWorld(const State& state) const {
  const bool done = state.AllDone();
  GFN_CHECK(done || state.done_B().logical_not().all().item<bool>()) << "finished and unfinished rows together";
  return done ? world_.ObjectsAt(ObjectIndex(state), world_condition_) : world_.StatesAt(Node(state), world_condition_);
}

std::string RootedWorld::Format(const State& state, int64_t row) const {
  return world_.Format(InWorld(state.Gather(at::tensor(std::vector<int64_t>{row}, at::kLong))), 0);
}

std::string RootedWorld::SupportDigest() const {
  Digest digest;
  for (const auto& [id, root] : roots_) digest.Int(static_cast<int64_t>(id.value)).Int(root.node);
  return "rooted " + DigestToHex(digest.value()) + " in " + world_.SupportDigest();
}

State RootedWorld::StatesAt(const at::Tensor& index_B, ConditionId condition) const {
  const at::Tensor is_start_B = index_B.eq(0);
  return MakeState(at::where(is_start_B, at::full_like(index_B, RootOf(condition).node), index_B - 1), is_start_B,
                   at::full_like(index_B, static_cast<int64_t>(condition.value)));
}

State RootedWorld::ObjectsAt(const at::Tensor& index_B, ConditionId condition) const {
  return MakeState(index_B + num_states_, at::zeros_like(index_B, at::kBool),
                   at::full_like(index_B, static_cast<int64_t>(condition.value)));
}

at::Tensor RootedWorld::StateIndex(const State& state) const {
  return at::where(IsInitial(state), at::zeros_like(Node(state)), Node(state) + 1);
}

at::Tensor TableReward::LogRewardOf(const State& objects) const {
  at::Tensor value_B = at::zeros({objects.batch_size()}, at::kDouble);
  const at::Tensor object_B = world_.ObjectIndex(objects);
  for (const auto& [id, log_reward_X] : log_reward_X_) {
    const at::Tensor mine_B = objects.Get("condition").eq(static_cast<int64_t>(id.value));
    value_B = at::where(mine_B, log_reward_X.to(at::kDouble).index_select(0, object_B), value_B);
  }
  return value_B;
}

std::string TableReward::Digest() const {
  gfn::Digest digest;
  for (const auto& [id, log_reward_X] : log_reward_X_) {
    digest.Int(static_cast<int64_t>(id.value));
    const at::Tensor values_X = log_reward_X.to(at::kDouble).contiguous();
    for (int64_t x = 0; x < values_X.numel(); ++x) digest.Real(values_X.const_data_ptr<double>()[x]);
  }
  return "table " + DigestToHex(digest.value());
}

at::Tensor TableReward::Target(ConditionId condition) const {
  const at::Tensor& reached = world_.Reached(condition);
  const at::Tensor log_reward_X = log_reward_X_.at(condition).to(at::kDouble);
  return log_reward_X.masked_fill(reached.slice(0, reached.size(0) - log_reward_X.numel()).logical_not(), -INFINITY);
}

}  // namespace gfn
