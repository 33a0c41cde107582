#include "llm/format/weight_source.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

#include "gflownet/base/check.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/exceptions.h"
#include "llm/format/gguf_dequantize.h"
#include "llm/format/model_path.h"
#include "llm/format/open_model.h"
#include "llm/format/tensor_text.h"

namespace gfn {
namespace {

// Threads share a tensor only in pieces of this size. One thread decodes a million numbers in 4 ms (Q4_1, measured); splitting
// every tensor of a model into small pieces made loading 300 times slower where other programs kept the cores busy, because
// each of its hundreds of barriers waits for a thread that is not scheduled.
constexpr int64_t kNumbersPerTask = int64_t{1} << 22;

// The smallest magnitude that rounds to infinity in this dtype.
float OverflowLimit(at::ScalarType dtype) {
  if (dtype == at::kHalf) return 65520.0f;
  if (dtype == at::kBFloat16) return 0x1.FFp127f;
  return std::numeric_limits<float>::infinity();
}

// Rows are stored for pairs (2i, 2i+1) of a head; in memory the pairs are (i, i + head_dim / 2).
int64_t RotateHalfRow(int64_t row, int64_t head_dim) {
  const int64_t in_head = row % head_dim;
  return row - in_head + in_head / 2 + (in_head % 2) * (head_dim / 2);
}

// Stored rows as an fp32 matrix [rows, columns] in rotate-half order.
at::Tensor DequantizeRows(const StoredTensor& tensor, int64_t rows, int64_t columns) {
  at::Tensor result = at::empty({rows, columns}, at::kFloat);
  float* out = result.data_ptr<float>();
  const GgmlBlock block = BlockOf(tensor.type);
  const int64_t row_bytes = columns / block.elements * block.bytes;
  const int64_t head_dim = tensor.interleaved_heads > 0 ? rows / tensor.interleaved_heads : 0;
  at::parallel_for(0, rows, std::max<int64_t>(1, kNumbersPerTask / columns), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t to = head_dim > 0 ? RotateHalfRow(row, head_dim) : row;
      Dequantize(tensor.type, tensor.bytes.subspan(static_cast<size_t>(row * row_bytes), static_cast<size_t>(row_bytes)),
                 {out + to * columns, static_cast<size_t>(columns)});
    }
  });
  return result;
}

// The first element whose magnitude reaches the limit (or is NaN), or -1.
int64_t FindNotBelow(const at::Tensor& matrix, float limit) {
  const float* numbers = matrix.data_ptr<float>();
  std::atomic<int64_t> first = std::numeric_limits<int64_t>::max();
  at::parallel_for(0, matrix.numel(), kNumbersPerTask, [&](int64_t begin, int64_t end) {
    bool fine = true;  // without a branch in the loop, so that it vectorises
    for (int64_t i = begin; i < end; ++i) fine &= std::fabs(numbers[i]) < limit;
    for (int64_t i = begin; !fine && i < end; ++i) {
      if (std::fabs(numbers[i]) < limit) continue;
      int64_t seen = first.load();
      while (i < seen && !first.compare_exchange_weak(seen, i)) {
      }
      return;
    }
  });
  return first == std::numeric_limits<int64_t>::max() ? -1 : first.load();
}

// A vector of rows' numbers in rotate-half order.
at::Tensor RotateHalfNumbers(const at::Tensor& stored, int64_t heads) {
  const int64_t head_dim = stored.numel() / heads;
  at::Tensor result = at::empty_like(stored);
  for (int64_t i = 0; i < stored.numel(); ++i) {
    result.data_ptr<float>()[RotateHalfRow(i, head_dim)] = stored.const_data_ptr<float>()[i];
  }
  return result;
}

// As it is called in the file.
const std::string& NameOf(const StoredTensor& tensor) {
  return tensor.stored_name.empty() ? tensor.expected.name : tensor.stored_name;
}

}  // namespace

WeightSource::WeightSource(ModelConfig config, std::string format, std::string path, std::vector<StoredTensor> tensors,
                           std::vector<std::shared_ptr<const void>> files)
    : config_(std::move(config)),
      format_(std::move(format)),
      path_(std::move(path)),
      tensors_(std::move(tensors)),
      files_(std::move(files)) {
  for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].expected.name] = i;
}

std::vector<std::string> WeightSource::names() const {
  std::vector<std::string> names;
  for (const StoredTensor& tensor : tensors_) names.push_back(tensor.expected.name);
  return names;
}

StatusOr<at::Tensor> WeightSource::Read(std::string_view name, at::ScalarType dtype) const {
  GFN_CHECK(dtype == at::kFloat || dtype == at::kDouble || dtype == at::kBFloat16 || dtype == at::kHalf) << at::toString(dtype);
  const auto it = index_.find(name);
  if (it == index_.end()) return NotFound(path_ + ": " + UnknownName("tensor", name, "tensors", names()));
  const StoredTensor& tensor = tensors_[it->second];
  const std::vector<int64_t>& shape = tensor.expected.shape;
  // A vector is one row.
  int64_t rows = shape.size() == 2 ? shape[0] : 1, columns = shape.back();
  if (tensor.transposed) std::swap(rows, columns);
  return CatchExceptions("reading tensor '" + NameOf(tensor) + "' of " + path_, [&]() -> StatusOr<at::Tensor> {
    at::Tensor result = DequantizeRows(tensor, rows, columns);
    if (shape.size() == 1 && tensor.interleaved_heads > 0) result = RotateHalfNumbers(result, tensor.interleaved_heads);
    if (tensor.transposed) result = result.t().contiguous();
    if (tensor.added != 0) result.sub_(tensor.added);
    if (check_finite_) {
      if (const int64_t at = FindNotBelow(result, OverflowLimit(dtype)); at >= 0) {
        return DataLoss(path_ + ": tensor '" + NameOf(tensor) + "' has " + FormatReal(result.data_ptr<float>()[at]) + " at " +
                        ShapeText({at / shape.back(), at % shape.back()}) + ", expected finite numbers of " +
                        at::toString(dtype));
      }
    }
    return result.view(shape).to(dtype);
  });
}

StatusOr<std::optional<BlockRows>> WeightSource::ReadBlocks(std::string_view name) const {
  const auto it = index_.find(name);
  if (it == index_.end()) return NotFound(path_ + ": " + UnknownName("tensor", name, "tensors", names()));
  const StoredTensor& tensor = tensors_[it->second];
  const std::vector<int64_t>& shape = tensor.expected.shape;
  const bool known = tensor.type == GgmlType::kQ4_0 || tensor.type == GgmlType::kQ4_1 || tensor.type == GgmlType::kQ8_0;
  if (!known || tensor.transposed || shape.size() != 2) return std::optional<BlockRows>();
  const GgmlBlock block = BlockOf(tensor.type);
  const int64_t row_bytes = shape[1] / block.elements * block.bytes,
                head_dim = tensor.interleaved_heads > 0 ? shape[0] / tensor.interleaved_heads : 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(tensor.bytes.data());
  // Numbers are finite where the half-precision scales of their block are.
  const int64_t scale_bytes = tensor.type == GgmlType::kQ4_1 ? 4 : 2;
  bool finite = true;
  for (int64_t at = 0; check_finite_ && at < shape[0] * row_bytes; at += block.bytes) {
    for (int64_t s = 1; s < scale_bytes; s += 2) finite &= (bytes[at + s] & 0x7c) != 0x7c;
  }
  if (!finite) {
    RETURN_IF_ERROR(Read(name, at::kFloat).status());  // names the element
  }
  BlockRows result{tensor.type, shape[1], std::vector<const unsigned char*>(static_cast<size_t>(shape[0]))};
  for (int64_t row = 0; row < shape[0]; ++row) {
    result.rows[static_cast<size_t>(head_dim > 0 ? RotateHalfRow(row, head_dim) : row)] = bytes + row * row_bytes;
  }
  return std::optional<BlockRows>(std::move(result));
}

std::string WeightSource::stored_type() const {
  std::map<GgmlType, size_t> bytes;
  for (const StoredTensor& tensor : tensors_) bytes[tensor.type] += tensor.bytes.size();
  const auto largest =
      std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  GFN_CHECK(largest != bytes.end());
  return std::string(EnumName(largest->first));
}

StatusOr<uint64_t> WeightSource::weight_hash() const {
  Digest digest;
  for (const StoredTensor& tensor : tensors_) {
    digest.String(tensor.expected.name).Ints(tensor.expected.shape).String(EnumName(tensor.type)).Bytes(tensor.bytes);
  }
  if (adapter_) digest.Int(static_cast<int64_t>(PeftDigest(*adapter_)));
  return digest.value();
}

void WeightSource::SetAdapter(PeftAdapter adapter, std::string path) {
  adapter_ = std::move(adapter);
  adapter_path_ = std::move(path);
}

namespace {

bool IsSameFolder(const std::string& a, const std::string& b) {
  std::error_code unknown;
  return std::filesystem::equivalent(a, b, unknown);
}

StatusOr<std::unique_ptr<WeightSource>> OpenBase(const std::string& path) {
  ASSIGN_OR_RETURN(const ModelFormat format, DetectModelFormat(path));
  switch (format) {
    case ModelFormat::kGguf:
      return OpenGgufModel(path);
    case ModelFormat::kHuggingFace:
      return OpenHfModel(path);
    case ModelFormat::kLlama2c:
      return OpenLlama2cModel(path);
  }
  return Internal(path + ": unknown model format");
}

}  // namespace

StatusOr<std::string> OwnAdapterFolder(const std::string& path, const std::string& adapter) {
  const bool has_own = FolderExists(path) && HoldsPeftFiles(path);
  if (has_own && !adapter.empty() && !IsSameFolder(path, adapter)) {
    return InvalidArgument(path + ": holds an adapter of its own (adapter_config.json), which belongs to the model as " +
                           adapter + " would; move the one that is not meant out of the folder, or leave the other out");
  }
  return has_own ? path : adapter;
}

StatusOr<std::unique_ptr<WeightSource>> OpenModel(const std::string& path, const std::string& adapter) {
  ASSIGN_OR_RETURN(std::unique_ptr<WeightSource> source, OpenBase(path));
  ASSIGN_OR_RETURN(const std::string folder, OwnAdapterFolder(path, adapter));
  if (folder.empty()) return source;
  ASSIGN_OR_RETURN(PeftAdapter own, ReadPeft(folder));
  source->SetAdapter(std::move(own), folder);
  return source;
}

}  // namespace gfn
