#include "gflownet/kernels/mlp.h"

#include <algorithm>
#include <cstring>

#include "gflownet/base/check.h"
#include "gflownet/base/parallel_errors.h"
#include "gflownet/kernels/net_dispatch.h"

namespace gfn {
namespace {

// Every layout is made for the widest panel, so that it fits all instruction sets.
constexpr int64_t kPad = 32;
// Rows that go back through the layers at a time: their activations and gradients stay in the second-level cache.
constexpr int64_t kBackRows = 192;

int64_t Padded(int64_t n) { return (n + kPad - 1) / kPad * kPad; }

void Fill(WordBuffer& buffer, int64_t words) {
  std::memset(buffer.Reserve(words), 0, static_cast<size_t>(words) * sizeof(float));
}

// `words` words, of which the first `kept` are those of the old buffer; the rest is zero.
void Enlarge(WordBuffer& buffer, int64_t kept, int64_t words) {
  WordBuffer larger;
  Fill(larger, words);
  if (kept > 0) std::memcpy(larger.data(), buffer.data(), static_cast<size_t>(kept) * sizeof(float));
  buffer = std::move(larger);
}

}  // namespace

void MlpNet::Pack(const MlpLayers& layers, int num_threads) {
  GFN_CHECK(!layers.hidden.empty() && !layers.heads.empty());
  const NetTable& kernels = NetKernels();
  features_ = layers.hidden[0].in;
  width_ = layers.hidden[0].out;
  depth_ = static_cast<int64_t>(layers.hidden.size());
  padded_width_ = Padded(width_);
  outputs_ = 0;
  for (const DenseLayer& head : layers.heads) outputs_ += head.out;
  padded_outputs_ = Padded(outputs_);

  Fill(biases_, depth_ * padded_width_ + padded_outputs_);
  for (int64_t l = 0; l < depth_; ++l) std::copy_n(layers.hidden[l].bias, width_, biases_.data() + l * padded_width_);
  float* bias = biases_.data() + depth_ * padded_width_;
  for (const DenseLayer& head : layers.heads) bias = std::copy_n(head.bias, head.out, bias);
  first_.Reserve(features_ * padded_width_);
  forward_.resize(depth_ - 1);
  backward_.resize(depth_ - 1);
  for (int64_t l = 1; l < depth_; ++l) {
    forward_[l - 1].Reserve(PackedWords(width_, width_));
    backward_[l - 1].Reserve(PackedWords(width_, width_));
  }
  head_forward_.Reserve(PackedWords(width_, outputs_));
  head_backward_.Reserve(PackedWords(outputs_, width_));

  // The rows of each weight, and panels of all packed matrices as independent pieces of work.
  std::vector<std::vector<const float*>> lines(depth_);  // of hidden layers 1 .., then of all heads
  const auto add_lines = [](const DenseLayer& layer, std::vector<const float*>& to) {
    for (int64_t i = 0; i < layer.out; ++i) to.push_back(layer.weight + i * layer.in);
  };
  for (int64_t l = 1; l < depth_; ++l) add_lines(layers.hidden[l], lines[l - 1]);
  for (const DenseLayer& head : layers.heads) add_lines(head, lines.back());
  struct Piece {
    const float* const* lines;
    bool transposed;
    int64_t offset, k, n;
    float* to;
  };
  std::vector<Piece> pieces;
  const auto cut = [&](const std::vector<const float*>& rows, bool transposed, int64_t k, int64_t n, float* to) {
    const int64_t step = std::max<int64_t>(1, 65536 / (k * kPad)) * kPad;
    for (int64_t j = 0; j < n; j += step) {
      pieces.push_back(
          {rows.data() + (transposed ? j : 0), transposed, transposed ? 0 : j, k, std::min(step, n - j), to + j * k});
    }
  };
  for (int64_t l = 1; l < depth_; ++l) {
    cut(lines[l - 1], true, width_, width_, forward_[l - 1].data());
    cut(lines[l - 1], false, width_, width_, backward_[l - 1].data());
  }
  cut(lines.back(), true, width_, outputs_, head_forward_.data());
  cut(lines.back(), false, outputs_, width_, head_backward_.data());
  const int threads = pieces.size() > 16 ? num_threads : 1;
  ParallelErrors errors;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (size_t i = 0; i < pieces.size(); ++i) {
    errors.Run([&, &p = pieces[i]] { kernels.pack(p.lines, p.transposed, p.offset, p.k, p.n, p.to); });
  }
  errors.Rethrow();
  // The first layer is read by rows: its transpose.
  for (int64_t f = 0; f < features_; ++f) {
    float* row = first_.data() + f * padded_width_;
    for (int64_t j = 0; j < width_; ++j) row[j] = layers.hidden[0].weight[j * features_ + f];
    std::fill(row + width_, row + padded_width_, 0.0f);
  }
}

double MlpNet::FlopsForward(double num_active) const {
  const double width = static_cast<double>(width_);
  return 2 * width * (num_active + static_cast<double>(depth_ - 1) * width + static_cast<double>(outputs_));
}

double MlpNet::FlopsBackward(double num_active) const {
  // The gradient of a weight and that of its input; the features have none.
  return 2 * FlopsForward(num_active) - 2 * static_cast<double>(width_) * num_active;
}

void MlpRows::Clear(const MlpNet& net) {
  if (width_ != net.padded_width() || padded_outputs_ != net.padded_outputs() ||
      static_cast<int64_t>(hidden_.size()) != net.depth()) {
    capacity_ = 0;
    width_ = net.padded_width();
    padded_outputs_ = net.padded_outputs();
    hidden_.clear();
    hidden_.resize(net.depth());
  }
  size_ = evaluated_ = 0;
  begin_.assign(1, 0);
  index_.clear();
  value_.clear();
  parent_.clear();
  change_begin_.assign(1, 0);
  change_index_.clear();
  change_value_.clear();
}

// Appends by what these features differ from the parent's, unless it saves little.
bool MlpRows::FindChange(const int32_t* index, const float* value, int64_t count, int64_t parent) {
  const int64_t most = count / 2 - 1, begin = static_cast<int64_t>(change_index_.size());
  int64_t i = 0, j = begin_[parent];
  const int64_t end = begin_[parent + 1];
  while (i < count || j < end) {
    const bool own = i < count && (j == end || index[i] <= index_[j]), other = j < end && (i == count || index_[j] <= index[i]);
    const float change = (own ? value[i] : 0.0f) - (other ? value_[j] : 0.0f);
    if (change != 0) {
      change_index_.push_back(own ? index[i] : index_[j]);
      change_value_.push_back(change);
      if (static_cast<int64_t>(change_index_.size()) - begin > most) {
        change_index_.resize(begin);
        change_value_.resize(begin);
        return false;
      }
    }
    i += own;
    j += other;
  }
  return true;
}

void MlpRows::Add(const int32_t* index, const float* value, int64_t count, int64_t parent) {
  const bool has_parent = parent >= 0 && FindChange(index, value, count, parent);
  parent_.push_back(has_parent ? parent : -1);
  change_begin_.push_back(static_cast<int64_t>(change_index_.size()));
  index_.insert(index_.end(), index, index + count);
  value_.insert(value_.end(), value, value + count);
  begin_.push_back(static_cast<int64_t>(index_.size()));
  ++size_;
}

// What a row has besides its parent, or all that it has.
MlpRows::FeatureList MlpRows::OwnFeatures(int64_t row) const {
  if (parent_[row] >= 0) {
    const int64_t begin = change_begin_[row];
    return {change_index_.data() + begin, change_value_.data() + begin, change_begin_[row + 1] - begin};
  }
  const int64_t begin = begin_[row];
  return {index_.data() + begin, value_.data() + begin, begin_[row + 1] - begin};
}

void MlpRows::Grow(int64_t rows) {
  if (rows <= capacity_) return;
  const int64_t capacity = std::max({rows, 2 * capacity_, int64_t{64}});
  for (WordBuffer& layer : hidden_) Enlarge(layer, evaluated_ * width_, capacity * width_);
  Enlarge(first_sums_, evaluated_ * width_, capacity * width_);
  Enlarge(outputs_, evaluated_ * padded_outputs_, capacity * padded_outputs_);
  capacity_ = capacity;
}

void MlpRows::Forward(const MlpNet& net) {
  const NetTable& kernels = NetKernels();
  const int64_t count = size_ - evaluated_;
  if (count == 0) return;
  Grow(size_);
  for (int64_t i = evaluated_; i < size_; ++i) {
    const FeatureList own = OwnFeatures(i);
    const float* start = parent_[i] >= 0 ? first_sums_.data() + parent_[i] * width_ : net.biases_.data();
    kernels.gather(net.first_.data(), width_, start, own.index, own.value, own.count, first_sums_.data() + i * width_,
                   hidden_[0].data() + i * width_);
  }
  const float* input = hidden_[0].data() + evaluated_ * width_;
  for (int64_t l = 1; l < net.depth_; ++l) {
    float* output = hidden_[l].data() + evaluated_ * width_;
    kernels.product({input, width_, net.forward_[l - 1].data(), count, net.width_, net.width_, output, width_,
                     Epilogue::kBiasRelu, net.biases_.data() + l * width_, nullptr});
    input = output;
  }
  kernels.product({input, width_, net.head_forward_.data(), count, net.outputs_, net.width_, Outputs(evaluated_), padded_outputs_,
                   Epilogue::kBias, net.biases_.data() + net.depth_ * width_, nullptr});
  evaluated_ = size_;
}

void MlpRows::Backward(const MlpNet& net, MlpSums& sums) {
  const NetTable& kernels = NetKernels();
  GFN_CHECK(size_ > 0 && evaluated_ == size_);
  Fill(sums.first_, net.features_ * width_);
  Fill(sums.biases_, net.depth_ * width_ + padded_outputs_);
  sums.hidden_.Reserve((net.depth_ - 1) * net.width_ * width_);
  sums.heads_.Reserve(net.outputs_ * width_);
  const int64_t outer_words = kernels.outer_scratch(width_);
  float* scratch = scratch_.Reserve(outer_words + 2 * kBackRows * width_);
  float *above = scratch + outer_words, *below = above + kBackRows * width_;  // gradients before the activation of two layers
  for (int64_t first = 0; first < size_; first += kBackRows) {
    const int64_t count = std::min(kBackRows, size_ - first);
    const float* last = hidden_.back().data() + first * width_;
    kernels.outer({Outputs(first), padded_outputs_, last, width_, net.outputs_, width_, count, sums.heads_.data(), width_,
                   scratch, first > 0});
    kernels.add_rows(Outputs(first), padded_outputs_, count, padded_outputs_, sums.biases_.data() + net.depth_ * width_);
    kernels.product({Outputs(first), padded_outputs_, net.head_backward_.data(), count, net.width_, net.outputs_, above, width_,
                     Epilogue::kRelu, nullptr, last});
    for (int64_t l = net.depth_ - 1; l > 0; --l) {
      const float* input = hidden_[l - 1].data() + first * width_;
      kernels.outer({above, width_, input, width_, net.width_, width_, count, sums.hidden_.data() + (l - 1) * net.width_ * width_,
                     width_, scratch, first > 0});
      kernels.add_rows(above, width_, count, width_, sums.biases_.data() + l * width_);
      kernels.product({above, width_, net.backward_[l - 1].data(), count, net.width_, net.width_, below, width_, Epilogue::kRelu,
                       nullptr, input});
      std::swap(above, below);
    }
    kernels.add_rows(above, width_, count, width_, sums.biases_.data());
    std::memcpy(hidden_[0].data() + first * width_, above, static_cast<size_t>(count * width_) * sizeof(float));
  }
  FirstLayerGradient(sums);
}

// The gradient of a feature's weights is the sum over the rows that have it. A row that has all but a few of its parent's
// features hands its gradient to the parent for these: children first, every row then stands for all that follow it.
void MlpRows::FirstLayerGradient(MlpSums& sums) {
  const NetTable& kernels = NetKernels();
  for (int64_t i = size_ - 1; i >= 0; --i) {
    const float* gradient = hidden_[0].data() + i * width_;
    const FeatureList own = OwnFeatures(i);
    kernels.scatter(sums.first_.data(), width_, own.index, own.value, own.count, gradient);
    if (parent_[i] >= 0) kernels.add_rows(gradient, width_, 1, width_, hidden_[0].data() + parent_[i] * width_);
  }
}

void CollectGradients(const MlpNet& net, const std::vector<MlpSums*>& sums, const MlpGradients& gradients, int num_threads) {
  const int64_t width = net.width(), pw = net.padded_width(), depth = net.depth(), features = net.num_features();
  // Row `row` of the sums' matrix, added over threads, to `to`.
  const auto add = [&](WordBuffer MlpSums::*member, int64_t offset, int64_t count, float* to) {
    std::copy_n((sums[0]->*member).data() + offset, count, to);
    for (size_t t = 1; t < sums.size(); ++t) {
      const float* from = (sums[t]->*member).data() + offset;
      for (int64_t j = 0; j < count; ++j) to[j] += from[j];
    }
  };
  const int threads = net.num_outputs() * width > 1 << 18 ? num_threads : 1;
  int64_t row = 0;
  for (size_t h = 0; h < gradients.heads.size(); ++h) {
    const int64_t end = row + gradients.heads[h].rows;
    ParallelErrors errors;
#pragma omp parallel for num_threads(threads)
    for (int64_t i = row; i < end; ++i) {
      errors.Run([&] { add(&MlpSums::heads_, i * pw, width, gradients.heads[h].weight + (i - row) * width); });
    }
    errors.Rethrow();
    add(&MlpSums::biases_, depth * pw + row, end - row, gradients.heads[h].bias);
    row = end;
  }
  for (int64_t l = 0; l < depth; ++l) {
    add(&MlpSums::biases_, l * pw, width, gradients.hidden[l].bias);
    if (l == 0) continue;
    for (int64_t i = 0; i < width; ++i) {
      add(&MlpSums::hidden_, ((l - 1) * width + i) * pw, width, gradients.hidden[l].weight + i * width);
    }
  }
  std::vector<float> column(width);
  for (int64_t f = 0; f < features; ++f) {
    add(&MlpSums::first_, f * pw, width, column.data());
    for (int64_t j = 0; j < width; ++j) gradients.hidden[0].weight[j * features + f] = column[j];
  }
}

}  // namespace gfn
