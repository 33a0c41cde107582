// What is legal in each row of a batch of states, as a small value: never [B, T, V].
// Shapes: B batch, A actions, S stop actions.
//
// An action is legal in row b if
//   forced_B[b] >= 0:  it is that action; otherwise
//   it is a stop action (in stops_S) and stop_legal_B[b], or
//   it is another action, inner_legal_B[b], vocabulary_A[a] and mask_BA[b][a].
// Undefined tensors restrict nothing. A row that is done has no legal action.
//
// A continuous world (num_actions 0) has a box instead: an action [D] is legal if low_BD <= a <= high_BD in every coordinate.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace gfn {

struct Support {
  int64_t num_actions = 0;
  at::Tensor stops_S{};            // int64 [S], sorted: the terminating actions; undefined: there are none
  at::Tensor vocabulary_A{};       // bool [A]: inner actions that are ever legal (shared by every row); stops in it are ignored
  at::Tensor stop_legal_B{};       // bool [B]: may the row stop here (minimum length)
  at::Tensor inner_legal_B{};      // bool [B]: may the row go on (maximum length)
  at::Tensor forced_B{};           // int64 [B]: the only legal action, -1 where the row is free
  at::Tensor mask_BA{};            // bool [B, A]: only for worlds with a small A, or single steps
  at::Tensor done_B{};             // bool [B]: finished rows; always defined
  at::Tensor low_BD{}, high_BD{};  // float [B, D]: limits of a continuous action

  int64_t batch_size() const { return done_B.size(0); }

  // bool [B, A]. For one step of a rollout or for small A; a whole batch of a language model would not fit.
  at::Tensor Dense() const;
  // bool [B]: is each row's action legal; int64 [B], or float [B, D] of a continuous world.
  at::Tensor IsLegal(const at::Tensor& actions_B) const;
  // int64 [B]: number of legal actions of each row.
  at::Tensor CountLegal() const;
  // log-softmax over the legal actions; illegal ones get -inf, and so do all actions of a finished row. [B, A]
  at::Tensor LogProbs(const at::Tensor& logits_BA) const;
  Support Gather(const at::Tensor& rows_N) const;
};

}  // namespace gfn
