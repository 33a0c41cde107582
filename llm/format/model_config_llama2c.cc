#include <array>
#include <cstring>
#include <string>

#include "llm/format/expected_tensors.h"
#include "llm/format/model_config.h"

namespace gfn {

// https://github.com/karpathy/llama2.c export.py, legacy_export. The format has no room for more: epsilon, rope base and the
// ids of <s> and </s> are those that run.c has built in.
StatusOr<ModelConfig> ModelConfigFromLlama2cHeader(std::span<const std::byte> header, int64_t file_bytes,
                                                   std::string_view where) {
  const std::string at(where);
  std::array<int32_t, 7> h;
  static_assert(sizeof(h) == kLlama2cHeaderBytes);
  if (header.size() < sizeof(h)) {
    return DataLoss(at + ": " + std::to_string(header.size()) + " bytes are too few for the header of a llama2.c file (28)");
  }
  std::memcpy(h.data(), header.data(), sizeof(h));
  constexpr int32_t kVersionedMagic = 0x616b3432;  // "ak42"
  if (h[0] == kVersionedMagic) {
    return Unimplemented(at + ": a llama2.c file of version " + std::to_string(h[1]) +
                         "; supported is the legacy layout (export.py --version 0)");
  }
  ModelConfig c;
  c.hidden_size = h[0];
  c.intermediate_size = h[1];
  c.num_layers = h[2];
  c.num_heads = h[3];
  c.num_kv_heads = h[4];
  c.tie_embeddings = h[5] > 0;
  c.vocab_size = h[5] > 0 ? int64_t{h[5]} : -int64_t{h[5]};
  c.max_positions = h[6];
  c.norm_eps = 1e-5;
  c.rope_theta = 10000.0;
  c.bos_id = 1;
  c.eos_ids = {2};
  if (c.num_heads < 1 || c.hidden_size < 1 || c.hidden_size % c.num_heads != 0) {
    return DataLoss(at + ": neither a GGUF file nor a llama2.c file (the header would mean a width of " +
                    std::to_string(c.hidden_size) + " for " + std::to_string(c.num_heads) + " heads)");
  }
  c.head_dim = c.hidden_size / c.num_heads;
  c.rotary_dim = c.head_dim;
  if (const Status status = Validate(c, at + ": read as a llama2.c file"); !status.ok()) return DataLoss(Message(status));
  // Besides the weights, two tables of rope that run.c no longer reads: positions x head_dim / 2 each.
  const int64_t expected = kLlama2cHeaderBytes + 4 * (NumParameters(c) + c.max_positions * c.head_dim);
  if (expected != file_bytes) {
    return DataLoss(at + ": the header of this llama2.c file (width " + std::to_string(c.hidden_size) + ", " +
                    std::to_string(c.num_layers) + " layers, vocabulary " + std::to_string(c.vocab_size) + ") means " +
                    std::to_string(expected) + " bytes, the file has " + std::to_string(file_bytes));
  }
  return c;
}

}  // namespace gfn
