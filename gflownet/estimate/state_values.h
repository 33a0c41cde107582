// Two quantities of a state s that are easily confused (Foundations, Bengio et al. 2111.09266), as logarithms:
//
//   flow         F(s)   = sum over x of R(x) P_B(a trajectory of x passes s): the mass that passes s. Depends on P_B; comparable
//                         with the trained log F(s); sums to Z over the states of one step.
//   sum below    Z(s)   = sum of R(x) over the x that can be reached from s. Does not depend on P_B; free_energy(s) = -log Z(s)
//                         (definition 28 there). On a tree Z(s) = F(s); on a DAG Z(s) >= F(s), and Z(s_0) = F(s_0) = Z always.
//
// Exactly, over a StateGraph, and for a state of any world from weighted samples that begin in it (sample_from.h): both are
// normalising constants of trajectories from s on, under P_B itself and under a P_B that only walks below s.
// Shapes: N states, X objects, A actions, E edges of the graph. Nodes 0 .. N-1 are states, N .. N+X-1 objects.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "gflownet/core/policy.h"
#include "gflownet/env/state_graph.h"

namespace gfn {

// log P_B of every edge: the policy's, or uniform over the parents where it learns none. float64 [E]; for deterministic worlds.
at::Tensor ExactLogPb(const EnumerableEnvironment& environment, const Policy& policy, const StateGraph& graph,
                      ConditionId condition);

// log F of every node, given log R / T of the objects. float64 [N + X]
at::Tensor ExactLogFlow(const StateGraph& graph, const at::Tensor& log_pb_E, const at::Tensor& log_reward_X);

// bool [N + X]: the nodes that a state reaches, itself included.
at::Tensor ReachedFrom(const StateGraph& graph, int64_t state);

// log Z(s) of one state: minus its free energy.
double ExactLogSumBelow(const StateGraph& graph, int64_t state, const at::Tensor& log_reward_X);

// The actions of one way from the initial state to a state.
std::vector<int64_t> PathTo(const StateGraph& graph, int64_t state);

}  // namespace gfn
