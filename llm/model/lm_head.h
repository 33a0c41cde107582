// What a loss asks of the vocabulary, never as [R, V]: the logit of one token, of each stop token and the log-sum-exp over a
// legal set, chunk by chunk, differentiable in the hidden states (the backward pass makes the logits again).
// Shapes: R rows, C width, V vocabulary, S stop tokens.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "llm/model/language_model.h"

namespace gfn {

struct HeadQuery {
  std::vector<int64_t> targets;   // [R] token ids, -1: none (its logit is 0)
  std::vector<int64_t> stop_ids;  // [S]
  at::Tensor legal_V;             // uint8 on the CPU: tokens counted in log_norm; undefined: all of them (p_LM)
};

struct HeadScores {
  at::Tensor logit_target_R;
  at::Tensor logit_stop_RS;
  at::Tensor log_norm_R;  // log sum over legal tokens of exp(logit)
};

HeadScores ScoreHead(const LanguageModel& model, const at::Tensor& hidden_RC, const HeadQuery& query);

}  // namespace gfn
