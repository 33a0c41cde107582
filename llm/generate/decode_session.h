// Token-by-token decoding of many rows behind a few shared prompts, on a key/value cache, without a graph.
// Shapes: N live rows, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "llm/model/kv_cache.h"
#include "llm/model/language_model.h"
#include "llm/model/packed_adapter.h"

namespace gfn {

class DecodeSession {
 public:
  // Each distinct prompt (not empty) is run once, whatever the number of its rows; row b continues prompts[prompt_of_row[b]].
  // At most max_new_tokens are added to a row. Model and adapter must outlive the session.
  DecodeSession(const LanguageModel& model, const Adapter* adapter, const std::vector<std::vector<int32_t>>& prompts,
                const std::vector<int32_t>& prompt_of_row, int32_t max_new_tokens);

  // Logits of the next token of each live row, [N, V]. The tokens taken since are read now, by the rows that are live now.
  at::Tensor Logits();
  // What they are computed from: the hidden state of the last token of each live row, [N, C].
  at::Tensor Hidden();
  // Every live row takes its token.
  void Advance(std::span<const int32_t> tokens_N);
  // The same with tokens on the model's device, int64 [N], which the host does not read.
  void Advance(const at::Tensor& tokens_N);
  // Goes on with these live rows only, in this order. A row that is named again splits: its copies share the cache of what they
  // have in common, and nothing is copied or computed again.
  void Keep(std::span<const int64_t> rows);

  int64_t num_rows() const { return static_cast<int64_t>(segment_of_row_.size()); }

  // Tokens that went through the model so far, those of the prompts included.
  int64_t num_computed() const { return num_computed_; }

  const LanguageModel& model() const { return model_; }

 private:
  // Reads the tokens that were taken and not read yet, if there are any.
  void Read();
  bool is_read() const { return taken_N_.empty(); }
  // Values that prompts may share, one for each live row.
  at::Tensor ForEachRow(const at::Tensor& values) const;

  const LanguageModel& model_;
  const Adapter* adapter_;
  std::shared_ptr<const PackedAdapter> packed_adapter_;
  KvCache cache_;
  std::vector<int32_t> segment_of_row_;  // the row's own segment of the cache
  std::vector<int32_t> taken_N_;         // taken, not read yet; zeros where they are on the device
  at::Tensor taken_on_device_N_;
  int64_t num_computed_ = 0;
  at::Tensor hidden_;  // of the last token of each row; [prompts, C] before the first token
  std::vector<int64_t> hidden_of_row_;
};

}  // namespace gfn
