// A multi-layer perceptron with several linear heads on sparse inputs, forward and backward, on plain pointers: the network of
// the small worlds without an operation's fixed cost. Users want gflownet/env/state_policies.h.
//
//   h_1 = relu(W_1 x + b_1),  h_l = relu(W_l h_{l-1} + b_l),  y = [W_head h + b_head for each head]
//
// One MlpNet is packed from the weights of one version and shared by threads; each thread has MlpRows (rows evaluated so far,
// with what the way back needs) and MlpSums (its share of the gradient). Serial: threads split rows.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "gflownet/base/memory.h"

namespace gfn {

// Scratch space that grows and is kept; what is in it after growing is unspecified. Throws AllocationFailure.
class WordBuffer {
 public:
  float* Reserve(int64_t words) {
    if (words > size_) {
      data_.reset(new (std::nothrow) float[static_cast<size_t>(words)]);
      size_ = data_ == nullptr ? 0 : words;
      if (data_ == nullptr) throw AllocationFailure(static_cast<size_t>(words) * sizeof(float));
    }
    return data_.get();
  }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }

 private:
  std::unique_ptr<float[]> data_;
  int64_t size_ = 0;
};

// Row-major [out, in] as torch.nn.Linear keeps them.
struct DenseLayer {
  const float* weight = nullptr;
  const float* bias = nullptr;
  int64_t in = 0, out = 0;
};
struct DenseGradient {
  float* weight = nullptr;
  float* bias = nullptr;
  int64_t rows = 0;  // out
};

// Hidden layers of one width, then heads that read the last; at least one of each.
struct MlpLayers {
  std::vector<DenseLayer> hidden, heads;
};
struct MlpGradients {
  std::vector<DenseGradient> hidden, heads;
};

class MlpNet {
 public:
  // Copies into the layouts of the kernels, on up to `num_threads` (>= 1) threads.
  void Pack(const MlpLayers& layers, int num_threads);

  int64_t num_features() const { return features_; }
  int64_t width() const { return width_; }
  int64_t padded_width() const { return padded_width_; }
  int64_t num_outputs() const { return outputs_; }  // of all heads, one after the other
  int64_t padded_outputs() const { return padded_outputs_; }
  int64_t depth() const { return depth_; }
  // Floating-point operations of one row, forward and backward, with `num_active` features that are not 0.
  double FlopsForward(double num_active) const;
  double FlopsBackward(double num_active) const;

 private:
  friend class MlpRows;
  int64_t features_ = 0, width_ = 0, padded_width_ = 0, outputs_ = 0, padded_outputs_ = 0, depth_ = 0;
  WordBuffer first_;                            // [features][padded width]
  std::vector<WordBuffer> forward_, backward_;  // of hidden layers 1 .., packed
  WordBuffer head_forward_, head_backward_;     // packed, all heads as one layer
  WordBuffer biases_;                           // [depth][padded width], then [padded outputs]
};

// Gradient sums in padded layouts.
class MlpSums {
 private:
  friend class MlpRows;
  friend void CollectGradients(const MlpNet& net, const std::vector<MlpSums*>& sums, const MlpGradients& gradients,
                               int num_threads);
  WordBuffer first_, hidden_, heads_, biases_;  // [features][pw], [depth - 1][width][pw], [outputs][pw], [depth][pw] + [po]
};

class MlpRows {
 public:
  // Forgets the rows, keeps the memory.
  void Clear(const MlpNet& net);
  // Adds a row with these features (value_f at index_f, 0 elsewhere); it is evaluated by the next Forward. With `parent`, an
  // earlier row, most of whose features are the same (both in ascending order), the first layer is that of the parent and what
  // the others change, and the way back passes this row's share of the gradient of the common ones on to the parent.
  void Add(const int32_t* index, const float* value, int64_t count, int64_t parent = -1);
  // Evaluates the rows added since the last call.
  void Forward(const MlpNet& net);
  // `sums` becomes the gradient of all rows, where Outputs(i) has become dL/dy of row i.
  void Backward(const MlpNet& net, MlpSums& sums);

  int64_t size() const { return size_; }
  int64_t num_active() const { return static_cast<int64_t>(index_.size()); }
  float* Outputs(int64_t row) { return outputs_.data() + row * padded_outputs_; }
  const float* Outputs(int64_t row) const { return outputs_.data() + row * padded_outputs_; }

 private:
  struct FeatureList {
    const int32_t* index;
    const float* value;
    int64_t count;
  };
  FeatureList OwnFeatures(int64_t row) const;
  void Grow(int64_t rows);
  bool FindChange(const int32_t* index, const float* value, int64_t count, int64_t parent);
  void FirstLayerGradient(MlpSums& sums);

  int64_t size_ = 0, evaluated_ = 0, capacity_ = 0, width_ = 0, padded_outputs_ = 0;
  std::vector<int64_t> begin_ = {0};  // features of row i: [begin_[i], begin_[i + 1])
  std::vector<int32_t> index_;
  std::vector<float> value_;
  // Of each row its parent, or -1, and by what its features differ from the parent's: [change_begin_[i], change_begin_[i + 1]).
  std::vector<int64_t> parent_, change_begin_ = {0};
  std::vector<int32_t> change_index_;
  std::vector<float> change_value_;
  WordBuffer first_sums_;           // [capacity][padded width]: the first layer before its activation
  std::vector<WordBuffer> hidden_;  // [capacity][padded width] each; after Backward, [0] is the gradient before its activation
  WordBuffer outputs_, scratch_;
};

// Adds up the threads' sums and writes them in the layouts of the weights.
void CollectGradients(const MlpNet& net, const std::vector<MlpSums*>& sums, const MlpGradients& gradients, int num_threads);

}  // namespace gfn
