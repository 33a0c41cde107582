// The chunked vocabulary head against a float64 twin that makes every logit, for every instruction set.
#include "llm/kernels/lm_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "llm/kernels/dispatch.h"
#include "llm/kernels/test_values.h"

namespace gfn {
namespace {

struct HeadCase {
  int64_t n, vocabulary, width;
  std::vector<int64_t> stops;
  bool masked;
};

const HeadCase kCases[] = {{0, 100, 8, {}, false},        {1, 1, 3, {0}, false},          {1, 1000, 64, {7, 999}, true},
                           {17, 769, 40, {0, 768}, true}, {230, 1500, 33, {1, 5}, false}, {400, 500, 16, {499}, true}};

struct Arrays {
  std::vector<float> target, stop, lse;
};

class LmHeadTest : public testing::TestWithParam<std::tuple<Isa, WeightType>> {
 protected:
  void SetUp() override { scope_.emplace(std::get<0>(GetParam())); }
  WeightType type() const { return std::get<1>(GetParam()); }
  // What the product sees of an array.
  std::vector<double> Seen(const std::vector<float>& x) const {
    std::vector<double> seen;
    for (const float v : x) seen.push_back(type() == WeightType::kBFloat16 ? RoundedToBFloat16(v) : v);
    return seen;
  }

  // A case's inputs; about half the vocabulary is illegal, and the last chunk (of a large one) wholly.
  void Make(const HeadCase& c) {
    weight_ = Values(c.vocabulary * c.width, 1);
    hidden_ = Values(c.n * c.width, 2, 2 / std::sqrt(static_cast<double>(c.width)));
    seen_weight_ = Seen(weight_);
    const std::vector<double> seen_hidden = Seen(hidden_);
    head_ = PackedMatrix::Pack(weight_.data(), c.vocabulary, c.width, type());
    targets_.clear();
    for (int64_t i = 0; i < c.n; ++i) targets_.push_back(i % 5 == 3 ? -1 : (i * 7919 + 3) % c.vocabulary);
    legal_.assign(static_cast<size_t>(c.vocabulary), 1);
    if (c.masked) {
      for (int64_t v = 0; v < c.vocabulary; ++v) legal_[static_cast<size_t>(v)] = v % 3 != 1 && v < 768 ? 2 : 0;
    }
    query_ = {targets_.data(), c.stops.data(), static_cast<int64_t>(c.stops.size()), c.masked ? legal_.data() : nullptr};
    // [n][V] in float64
    logits_.assign(static_cast<size_t>(c.n * c.vocabulary), 0);
    lse_.assign(static_cast<size_t>(c.n), 0);
    for (int64_t i = 0; i < c.n; ++i) {
      double sum = 0;
      for (int64_t v = 0; v < c.vocabulary; ++v) {
        double& logit = logits_[static_cast<size_t>(i * c.vocabulary + v)];
        for (int64_t k = 0; k < c.width; ++k) logit += seen_weight_[v * c.width + k] * seen_hidden[i * c.width + k];
        if (legal_[static_cast<size_t>(v)] != 0) sum += std::exp(logit);
      }
      lse_[static_cast<size_t>(i)] = std::log(sum);
    }
  }

  Arrays Forward(const HeadCase& c, int threads) const {
    Arrays a{std::vector<float>(targets_.size()), std::vector<float>(targets_.size() * c.stops.size()),
             std::vector<float>(targets_.size())};
    LmHeadForward(head_, hidden_.data(), c.n, c.width, query_, {a.target.data(), a.stop.data(), a.lse.data()}, threads);
    return a;
  }

  std::optional<ScopedIsa> scope_;
  std::vector<float> weight_, hidden_;
  std::vector<double> seen_weight_;
  PackedMatrix head_;
  std::vector<int64_t> targets_;
  std::vector<uint8_t> legal_;
  LmHeadQuery query_;
  std::vector<double> logits_, lse_;
};

TEST_P(LmHeadTest, ForwardEqualsNaive) {
  for (const HeadCase& c : kCases) {
    Make(c);
    const Arrays a = Forward(c, 2), one = Forward(c, 1);
    EXPECT_EQ(a.lse, one.lse);
    EXPECT_EQ(a.target, one.target);
    EXPECT_EQ(a.stop, one.stop);
    for (int64_t i = 0; i < c.n; ++i) {
      const size_t row = static_cast<size_t>(i);
      const double* logits = logits_.data() + i * c.vocabulary;
      ASSERT_NEAR(a.lse[row], lse_[row], 1e-5 * std::max(1.0, std::abs(lse_[row])));
      ASSERT_NEAR(a.target[row], targets_[row] < 0 ? 0 : logits[targets_[row]], 1e-5);
      for (size_t s = 0; s < c.stops.size(); ++s) ASSERT_NEAR(a.stop[row * c.stops.size() + s], logits[c.stops[s]], 1e-5);
    }
  }
}

TEST_P(LmHeadTest, BackwardEqualsNaive) {
  // bfloat16: the slopes of the logits are rounded too, one part in 2^9 of each term.
  const double tolerance = type() == WeightType::kBFloat16 ? 4e-2 : 2e-5;
  for (const HeadCase& c : kCases) {
    Make(c);
    const Arrays a = Forward(c, 2);
    const std::vector<float> d_target = Values(c.n, 5), d_lse = Values(c.n, 6),
                             d_stop = Values(c.n * static_cast<int64_t>(c.stops.size()), 7);
    const std::vector<float> before = Values(c.n * (c.width + 1), 8);
    std::vector<float> dh = before, again = before;
    const LmHeadGradients gradients{d_target.data(), d_stop.data(), d_lse.data()};
    LmHeadBackward(head_, hidden_.data(), c.n, c.width, query_, a.lse.data(), gradients, dh.data(), c.width + 1, 2);
    LmHeadBackward(head_, hidden_.data(), c.n, c.width, query_, a.lse.data(), gradients, again.data(), c.width + 1, 1);
    EXPECT_EQ(dh, again);
    for (int64_t i = 0; i < c.n; ++i) {
      std::vector<double> slopes(static_cast<size_t>(c.vocabulary));
      for (int64_t v = 0; v < c.vocabulary; ++v) {
        const double p = std::exp(logits_[static_cast<size_t>(i * c.vocabulary + v)] - lse_[static_cast<size_t>(i)]);
        slopes[static_cast<size_t>(v)] = legal_[static_cast<size_t>(v)] != 0 ? d_lse[static_cast<size_t>(i)] * p : 0;
      }
      if (targets_[static_cast<size_t>(i)] >= 0)
        slopes[static_cast<size_t>(targets_[static_cast<size_t>(i)])] += d_target[static_cast<size_t>(i)];
      for (size_t s = 0; s < c.stops.size(); ++s) {
        slopes[static_cast<size_t>(c.stops[s])] += d_stop[static_cast<size_t>(i) * c.stops.size() + s];
      }
      for (int64_t k = 0; k <= c.width; ++k) {
        double want = before[static_cast<size_t>(i * (c.width + 1) + k)];
        for (int64_t v = 0; v < c.vocabulary && k < c.width; ++v) {
          want += slopes[static_cast<size_t>(v)] * seen_weight_[static_cast<size_t>(v * c.width + k)];
        }
        ASSERT_NEAR(dh[static_cast<size_t>(i * (c.width + 1) + k)], want, tolerance * std::max(1.0, std::abs(want)));
      }
    }
  }
}

TEST_P(LmHeadTest, ARowDoesNotDependOnTheBatch) {
  const HeadCase c = kCases[4];
  Make(c);
  const Arrays all = Forward(c, 2);
  for (const int64_t i : {0, 100, 229}) {
    float lse = 0;
    const LmHeadQuery query{nullptr, nullptr, 0, nullptr};
    LmHeadForward(head_, hidden_.data() + i * c.width, 1, c.width, query, {nullptr, nullptr, &lse});
    EXPECT_EQ(lse, all.lse[static_cast<size_t>(i)]);
  }
}

INSTANTIATE_TEST_SUITE_P(All, LmHeadTest,
                         testing::Combine(testing::ValuesIn(SupportedIsas()),
                                          testing::Values(WeightType::kFloat32, WeightType::kBFloat16)),
                         [](const auto& info) {
                           return std::string(IsaName(std::get<0>(info.param))) +
                                  (std::get<1>(info.param) == WeightType::kBFloat16 ? "_bfloat16" : "_float32");
                         });

TEST(LmHeadDeathTest, RefusesATargetBeyondTheVocabulary) {
  const PackedMatrix head(10, 4, WeightType::kFloat32);
  const float hidden[4] = {};
  const int64_t target = 10;
  EXPECT_DEATH(LmHeadForward(head, hidden, 1, 4, {&target, nullptr, 0, nullptr}, {}), "target id 10 of a vocabulary of 10");
}

}  // namespace
}  // namespace gfn
