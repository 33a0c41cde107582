// The kernels of small networks against slow twins in double, with every instruction set of the machine.
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/base/rng.h"
#include "gflownet/kernels/mlp.h"
#include "gflownet/kernels/net_dispatch.h"

namespace gfn {
namespace {

std::vector<float> Values(int64_t count, uint64_t stream) {
  std::vector<float> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    values[i] = 2 * UniformFloat({7, RngPurpose::kTest, 0}, stream, static_cast<uint64_t>(i)) - 1;
  return values;
}

constexpr int kActive = 8;  // features of a row that are not 0

// A network with two hidden layers and two heads, sizes that fill no vector, and a few rows of sparse features.
struct Case {
  int64_t features, width, first_head, second_head, rows;
};

struct Twin {
  std::vector<double> outputs;                 // [rows][heads]
  std::vector<std::vector<double>> gradients;  // weight, bias of each layer
};

class Network {
 public:
  explicit Network(const Case& c) : c_(c) {
    const int64_t shapes[4][2] = {{c.width, c.features}, {c.width, c.width}, {c.first_head, c.width}, {c.second_head, c.width}};
    for (int i = 0; i < 4; ++i) {
      parameters_.push_back(Values(shapes[i][0] * shapes[i][1], 10 + i));
      parameters_.push_back(Values(shapes[i][0], 20 + i));
      (i < 2 ? layers_.hidden : layers_.heads)
          .push_back({parameters_[2 * i].data(), parameters_[2 * i + 1].data(), shapes[i][1], shapes[i][0]});
    }
    for (int64_t r = 0; r < c.rows; ++r) {
      // Rows come in pairs that differ in their last two features.
      for (int f = 0; f < kActive; ++f) {
        index_.push_back(static_cast<int32_t>(f + (f < kActive - 2 ? 0 : r % (c.features - kActive + 1))));
        value_.push_back(0.5f * static_cast<float>(f + 1 + r / 2 % 3));
      }
    }
    d_outputs_ = Values(c.rows * (c.first_head + c.second_head), 30);
  }

  const MlpLayers& layers() const { return layers_; }
  const int32_t* index(int64_t row) const { return index_.data() + kActive * row; }
  const float* value(int64_t row) const { return value_.data() + kActive * row; }
  float d_output(int64_t row, int64_t j) const { return d_outputs_[row * num_outputs() + j]; }
  int64_t num_outputs() const { return c_.first_head + c_.second_head; }

  Twin Slow() const {
    const int64_t w = c_.width, f = c_.features, o = num_outputs();
    Twin twin;
    for (const auto& p : parameters_) twin.gradients.emplace_back(p.size(), 0.0);
    const auto head = [&](int64_t j) {
      return j < c_.first_head ? std::pair<int, int64_t>(4, j) : std::pair<int, int64_t>(6, j - c_.first_head);
    };
    for (int64_t r = 0; r < c_.rows; ++r) {
      std::vector<double> x(f, 0), a(w), b(w), db(w, 0), da(w, 0);
      for (int i = 0; i < kActive; ++i) x[index(r)[i]] += value(r)[i];
      for (int64_t i = 0; i < w; ++i) {
        double sum = parameters_[1][i];
        for (int64_t k = 0; k < f; ++k) sum += double{parameters_[0][i * f + k]} * x[k];
        a[i] = std::max(0.0, sum);
      }
      for (int64_t i = 0; i < w; ++i) {
        double sum = parameters_[3][i];
        for (int64_t k = 0; k < w; ++k) sum += double{parameters_[2][i * w + k]} * a[k];
        b[i] = std::max(0.0, sum);
      }
      for (int64_t j = 0; j < o; ++j) {
        const auto [p, row] = head(j);
        double sum = parameters_[p + 1][row];
        const double d = d_output(r, j);
        twin.gradients[p + 1][row] += d;
        for (int64_t k = 0; k < w; ++k) {
          sum += double{parameters_[p][row * w + k]} * b[k];
          twin.gradients[p][row * w + k] += d * b[k];
          db[k] += b[k] > 0 ? d * parameters_[p][row * w + k] : 0;
        }
        twin.outputs.push_back(sum);
      }
      for (int64_t i = 0; i < w; ++i) {
        twin.gradients[3][i] += db[i];
        for (int64_t k = 0; k < w; ++k) {
          twin.gradients[2][i * w + k] += db[i] * a[k];
          da[k] += a[k] > 0 ? db[i] * parameters_[2][i * w + k] : 0;
        }
      }
      for (int64_t i = 0; i < w; ++i) {
        twin.gradients[1][i] += da[i];
        for (int64_t k = 0; k < f; ++k) twin.gradients[0][i * f + k] += da[i] * x[k];
      }
    }
    return twin;
  }

 private:
  Case c_;
  std::vector<std::vector<float>> parameters_;
  MlpLayers layers_;
  std::vector<int32_t> index_;
  std::vector<float> value_, d_outputs_;
};

// Rows are cut among `num_parts` threads' worth of rows and sums, and evaluated in two goes.
void CheckAgainstTwin(const Case& c, int num_parts, bool with_parents) {
  const Network network(c);
  const Twin twin = network.Slow();
  const double tolerance = 1e-5 * std::sqrt(static_cast<double>(c.rows * c.width));
  MlpNet net;
  net.Pack(network.layers(), 2);
  std::vector<MlpRows> rows(num_parts);
  std::vector<MlpSums> sums(num_parts);
  std::vector<MlpSums*> pointers;
  for (int part = 0; part < num_parts; ++part) {
    const int64_t begin = c.rows * part / num_parts, end = c.rows * (part + 1) / num_parts;
    rows[part].Clear(net);
    pointers.push_back(&sums[part]);
    for (int64_t r = begin; r < end; ++r) {
      rows[part].Add(network.index(r), network.value(r), kActive, with_parents && r > begin ? r - begin - 1 : -1);
      if (r == begin + 2) rows[part].Forward(net);
    }
    rows[part].Forward(net);
    for (int64_t r = begin; r < end; ++r) {
      float* outputs = rows[part].Outputs(r - begin);
      for (int64_t j = 0; j < network.num_outputs(); ++j) {
        ASSERT_NEAR(outputs[j], twin.outputs[r * network.num_outputs() + j], tolerance) << "row " << r << ", output " << j;
        outputs[j] = network.d_output(r, j);
      }
    }
    rows[part].Backward(net, sums[part]);
  }
  std::vector<std::vector<float>> gradients;
  for (const auto& g : twin.gradients) gradients.emplace_back(g.size(), -1.0f);
  MlpGradients out;
  for (int i = 0; i < 4; ++i) {
    (i < 2 ? out.hidden : out.heads)
        .push_back({gradients[2 * i].data(), gradients[2 * i + 1].data(), static_cast<int64_t>(gradients[2 * i + 1].size())});
  }
  CollectGradients(net, pointers, out, 2);
  for (size_t p = 0; p < gradients.size(); ++p) {
    for (size_t i = 0; i < gradients[p].size(); ++i) {
      const double expected = twin.gradients[p][i];
      ASSERT_NEAR(gradients[p][i], expected, tolerance * std::max(1.0, std::abs(expected)))
          << "parameter " << p << ", element " << i;
    }
  }
}

class Net : public testing::TestWithParam<size_t> {};

TEST_P(Net, MatchesTheSlowTwin) {
  if (GetParam() >= AllNetKernels().size()) GTEST_SKIP() << "this processor has no such instruction set";
  const ScopedNetKernels kernels(*AllNetKernels()[GetParam()]);
  for (const Case& c : {Case{13, 7, 3, 2, 9}, Case{20, 64, 4, 4, 31}, Case{14, 33, 70, 5, 150}, Case{16, 48, 400, 1, 405}}) {
    CheckAgainstTwin(c, 1, false);
    CheckAgainstTwin(c, 2, true);
  }
}

TEST_P(Net, SoftmaxOfSparseLogits) {
  if (GetParam() >= AllNetKernels().size()) GTEST_SKIP() << "this processor has no such instruction set";
  const NetTable& kernels = *AllNetKernels()[GetParam()];
  for (const int64_t count : {1, 3, 16, 41}) {
    std::vector<float> logits = Values(count, 3);
    for (int64_t i = 1; i < count; i += 3) logits[i] = -INFINITY;
    logits[0] = 30;
    double sum = 0;
    for (const float logit : logits) sum += std::exp(double{logit});
    const float log_sum = kernels.log_sum_exp(logits.data(), count);
    EXPECT_NEAR(log_sum, std::log(sum), 1e-5);
    std::vector<float> gradient = logits;
    kernels.softmax_gradient(gradient.data(), count, log_sum, 2);
    for (int64_t i = 0; i < count; ++i) EXPECT_NEAR(gradient[i], -2 * std::exp(logits[i] - log_sum), 1e-5) << i;
  }
}

TEST_P(Net, DrawsByInverseCumulativeSums) {
  if (GetParam() >= AllNetKernels().size()) GTEST_SKIP() << "this processor has no such instruction set";
  const NetTable& kernels = *AllNetKernels()[GetParam()];
  for (const int64_t count : {1, 5, 16, 64, 300}) {
    std::vector<float> logits = Values(count, 4);
    for (int64_t i = 0; i < count; i += 4) logits[i] = i == 0 && count == 1 ? logits[i] : -INFINITY;
    const float log_sum = kernels.log_sum_exp(logits.data(), count);
    double before = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double weight = std::exp(double{logits[i]} - double{log_sum});
      if (weight > 0) {
        EXPECT_EQ(kernels.draw(logits.data(), count, log_sum, before + 1e-3 * weight), i);
        EXPECT_EQ(kernels.draw(logits.data(), count, log_sum, before + 0.999 * weight), i);
      }
      before += weight;
    }
    EXPECT_EQ(kernels.draw(logits.data(), count, log_sum, 1.01), count % 4 == 1 && count > 1 ? count - 2 : count - 1);
  }
  const std::vector<float> none(20, -INFINITY);
  EXPECT_EQ(kernels.draw(none.data(), 20, 0, 0.5), -1);
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, Net, testing::Values(0, 1, 2));

}  // namespace
}  // namespace gfn
