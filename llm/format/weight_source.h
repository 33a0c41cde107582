// The weights of a language model, whatever file they are in: tensors under Hugging Face names, in Hugging Face layout.
//
// Formats, chosen by content: a GGUF file, a Hugging Face folder (config.json with model.safetensors or its shards), a legacy
// llama2.c .bin. Whatever a format does to its rows is undone by Read: GGUF and llama2.c store q and k of llama models for
// interleaved rope, Read gives them for rotate-half rope, as transformers does; GGUF stores gpt2's Conv1D weights transposed, and
// norms of gemma with the 1 that the model adds.
//
// Opening checks that every tensor of ExpectedTensors(config) is there with its shape, and that no other weight is (buffers
// that exports carry along, such as rotary frequencies or attention masks, are ignored by name). Where a config ties the head to
// the embedding and the file holds a head, what the file holds counts, as in transformers: a copy is a tied head, a head that
// differs is used (config().tie_embeddings is false then), and one without an embedding is both.
//
// A PEFT adapter can belong to the model: one that lies in its folder (AutoModelForCausalLM.from_pretrained uses it, and so does
// this), or one that is named. The model is then base and adapter together, and its hash is that of both.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/format/expected_tensors.h"
#include "llm/format/gguf_file.h"
#include "llm/format/model_config.h"
#include "llm/format/peft_file.h"

namespace gfn {

// How one tensor lies in its file. Shapes of safetensors and llama2.c types are expressed with ggml's (F32, F16, BF16).
struct StoredTensor {
  ExpectedTensor expected;  // name and shape that Read answers with
  std::string stored_name;  // its name in the file, for messages; "" where the format has none
  GgmlType type = GgmlType::kF32;
  std::span<const std::byte> bytes;  // rows of shape[1] numbers (shape[0] if transposed), in the mapped file
  bool transposed = false;           // stored [shape[1], shape[0]]
  int64_t interleaved_heads = 0;     // > 0: rows of this many heads (numbers, of a bias) are in the order of interleaved rope
  double added = 0;                  // stored with this number added
};

// The rows of a tensor as blocks of the file, in the order that Read answers with.
struct BlockRows {
  GgmlType type = GgmlType::kF32;
  int64_t columns = 0;
  std::vector<const unsigned char*> rows;
};

class WeightSource {
 public:
  // `format`: "gguf", "huggingface" or "llama2c". tensors: those of ExpectedTensors(config), in that order. `files` own the
  // bytes.
  WeightSource(ModelConfig config, std::string format, std::string path, std::vector<StoredTensor> tensors,
               std::vector<std::shared_ptr<const void>> files);

  const ModelConfig& config() const { return config_; }
  const std::string& format() const { return format_; }
  const std::string& path() const { return path_; }
  // In the order of ExpectedTensors(config()).
  std::vector<std::string> names() const;
  bool Has(std::string_view name) const { return index_.find(name) != index_.end(); }
  // See ExpectedTensor::conv1d.
  bool IsConv1D(std::string_view name) const { return gfn::IsConv1D(config_, name); }

  // One tensor, contiguous, on the CPU, owned by the caller. dtype: at::kFloat, at::kDouble, at::kBFloat16 or at::kHalf.
  // Only this tensor is materialised, so that a caller that reads one at a time peaks at one model.
  // NotFound for an unknown name; DataLoss naming the tensor and the element if a number is NaN or infinite (or too large for
  // this dtype), unless the check is off.
  StatusOr<at::Tensor> Read(std::string_view name, at::ScalarType dtype) const;
  // The same tensor as Q4_0, Q4_1 or Q8_0 blocks, read where they lie in the mapped file; nullopt where it is stored otherwise or
  // not as rows of whole blocks. Errors as Read's.
  StatusOr<std::optional<BlockRows>> ReadBlocks(std::string_view name) const;
  // The model's own adapter and the folder that it is from; Read gives the bare base. nullptr: none.
  const PeftAdapter* adapter() const { return adapter_ ? &*adapter_ : nullptr; }
  const std::string& adapter_path() const { return adapter_path_; }
  void SetAdapter(PeftAdapter adapter, std::string path);
  void set_check_finite(bool check) { check_finite_ = check; }

  // The type that holds most of the bytes: "Q4_1", "F32", "BF16".
  std::string stored_type() const;
  // Identifies the base weights: a hash of every tensor's name, shape, type and stored bytes; it reads the file once. Shards,
  // paths and the order in the file do not matter. The same model stored in another type or format hashes differently, and so
  // does one with an adapter of its own.
  StatusOr<uint64_t> weight_hash() const;

 private:
  ModelConfig config_;
  std::string format_;
  std::string path_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<std::shared_ptr<const void>> files_;
  bool check_finite_ = true;
  std::optional<PeftAdapter> adapter_;
  std::string adapter_path_;
};

// path: a .gguf file, a Hugging Face folder, or a llama2.c .bin. The message says what was there instead. `adapter`: a PEFT
// folder whose adapter belongs to the model; empty: the one that lies in the model's folder, if any. InvalidArgument where both
// are there and are not the same folder.
StatusOr<std::unique_ptr<WeightSource>> OpenModel(const std::string& path, const std::string& adapter = "");
// The folder of the adapter that OpenModel makes part of the model; "": none.
StatusOr<std::string> OwnAdapterFolder(const std::string& path, const std::string& adapter = "");

}  // namespace gfn
