// The three tables of muP are one parametrisation: from the same Gaussians, each scaled as its table says, they give the same
// functions at every step. A factor left out of one of them gives other functions.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/base/digest.h"
#include "gflownet/tensor/parameter_set.h"
#include "gflownet/tensor/parametrisation.h"
#include "gflownet/tensor/random.h"
#include "gflownet/train/optimizer.h"

namespace gfn {
namespace {

using Table = ParametrisationTable;
using Member = double ParameterFactors::*;

// One factor of the parameters of one role that is taken for 1 (the variance for 1 / fan_in, as if there were no table).
struct LeftOut {
  ParameterRole role;
  Member factor = nullptr;  // nullptr: nothing is left out
};

constexpr int64_t kBatch = 6, kInputs = 5, kOutputs = 4, kVocabulary = 7, kSteps = 6;
constexpr Width kModel{12, 4}, kInner{20, 4}, kDepth{4, 2};

// Regression by an input matrix and a tied embedding, two residual blocks out of four, an output matrix and the tied one.
class Net {
 public:
  Net(Table table, const LeftOut& left_out) : set_(Parametrisation{table, 0.5}), left_out_(left_out) {
    Add("input", {kModel.size, kInputs}, MatrixShape({kInputs}, kModel));
    Add("tied", {kVocabulary, kModel.size}, EmbeddingShape(kModel, true));
    for (const char* block : {"0", "1"}) {
      Add(block + std::string("gain"), {kModel.size}, VectorShape(kModel, kDepth));
      Add(block + std::string("expand"), {kInner.size, kModel.size}, MatrixShape(kModel, kInner, kDepth));
      Add(block + std::string("bias"), {kInner.size}, VectorShape(kInner, kDepth));
      Add(block + std::string("contract"), {kModel.size, kInner.size}, MatrixShape(kInner, kModel, kDepth));
    }
    Add("output", {kOutputs, kModel.size}, MatrixShape(kModel, {kOutputs}));
    Add("scalar", {1}, MatrixShape({1}, {1}));
  }

  ParameterSet& set() { return set_; }
  // Whether what was left out differs from 1 for any parameter.
  bool lacks_something() const { return lacks_something_; }

  // [B, outputs + vocabulary]
  at::Tensor Apply(const at::Tensor& x, const at::Tensor& ids) const {
    at::Tensor h = at::linear(x, Use("input")) + at::embedding(Use("tied"), ids);
    for (const char* block : {"0", "1"}) {
      const std::string name(block);
      const at::Tensor normed = at::layer_norm(h, {kModel.size}) * Use(name + "gain");
      const at::Tensor inner = at::tanh(at::linear(normed, Use(name + "expand")) + Use(name + "bias"));
      h = h + at::linear(inner, Use(name + "contract")) * ResidualMultiplier(set_.parametrisation(), kDepth);
    }
    h = at::layer_norm(h, {kModel.size}) * Use("scalar");
    const double readout = TagOf("tied").factors.readout_multiplier;
    return at::cat({at::linear(h, Use("output")), at::linear(h, set_.Get("tied") * readout)}, 1);
  }

 private:
  void Add(const std::string& name, at::IntArrayRef sizes, const ParameterShape& shape) {
    ParameterTag tag = set_.TagOf(shape);
    if (shape.role == left_out_.role && left_out_.factor != nullptr) {
      const bool is_variance = left_out_.factor == &ParameterFactors::init_variance;
      const double neutral = is_variance ? 1 / static_cast<double>(shape.fan_in.size) : 1;
      lacks_something_ |= tag.factors.*left_out_.factor != neutral;
      tag.factors.*left_out_.factor = neutral;
    }
    const at::Tensor unit = NormalTensor({3, RngPurpose::kTest, 0}, sizes, at::kDouble, HashText(name));
    set_.Add(name, "net", unit * std::sqrt(tag.factors.init_variance), tag);
  }
  const ParameterTag& TagOf(const std::string& name) const {
    for (const Parameter& parameter : set_) {
      if (parameter.name == name) return *parameter.tag;
    }
    GFN_CHECK(false) << name;
    return *set_[0].tag;
  }
  at::Tensor Use(const std::string& name) const { return set_.Get(name) * TagOf(name).factors.multiplier; }

  ParameterSet set_;
  LeftOut left_out_;
  bool lacks_something_ = false;
};

enum class Rule { kSgd, kAdamW };

// The outputs before each step, stacked.
at::Tensor Train(Net& net, Rule rule) {
  OptimizerConfig config;
  config.learning_rate = 0.02;
  config.epsilon = 0.05;  // gradients are about as large
  config.weight_decay = 0.5;
  config.clip_norm = 0;
  auto optimizer = Optimizer::Create(config, &net.set()).value();
  const at::Tensor x = NormalTensor({4, RngPurpose::kTest, 0}, {kBatch, kInputs}, at::kDouble);
  const at::Tensor target = NormalTensor({4, RngPurpose::kTest, 1}, {kBatch, kOutputs + kVocabulary}, at::kDouble);
  const at::Tensor ids = at::arange(kBatch, at::kLong);
  std::vector<at::Tensor> outputs;
  for (int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor output = net.Apply(x, ids);
    outputs.push_back(output.detach());
    net.set().ZeroGrad();
    (output - target).square().sum().backward();
    if (rule == Rule::kAdamW) {
      EXPECT_TRUE(optimizer.Step().ok());
      continue;
    }
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : net.set()) {
      parameter.value.detach().sub_(parameter.value.grad(), 0.002 * parameter.tag->factors.sgd_learning_rate);
    }
  }
  return at::stack(outputs);
}

double Difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(ParametrisationTraining, TheThreeTablesGiveTheSameFunctionsStepByStep) {
  for (const Rule rule : {Rule::kSgd, Rule::kAdamW}) {
    Net reference(Table::kMupTable3, {});
    const at::Tensor expected = Train(reference, rule);
    EXPECT_GT(Difference(expected[0], expected[kSteps - 1]), 0.1) << "nothing was learnt";
    for (const Table table : {Table::kMupTable8, Table::kMupTable9}) {
      Net net(table, {});
      EXPECT_LT(Difference(Train(net, rule), expected), 1e-10) << EnumName(table);
    }
    Net standard(Table::kStandard, {});
    EXPECT_GT(Difference(Train(standard, rule), expected), 0.01);
  }
}

TEST(ParametrisationTraining, AFactorLeftOutGivesOtherFunctions) {
  const std::vector<std::pair<const char*, Member>> adam = {{"init_variance", &ParameterFactors::init_variance},
                                                            {"multiplier", &ParameterFactors::multiplier},
                                                            {"readout_multiplier", &ParameterFactors::readout_multiplier},
                                                            {"learning_rate", &ParameterFactors::learning_rate},
                                                            {"weight_decay", &ParameterFactors::weight_decay},
                                                            {"epsilon", &ParameterFactors::epsilon}};
  const std::vector<std::pair<const char*, Member>> sgd = {
      adam[0], adam[1], adam[2], {"sgd_learning_rate", &ParameterFactors::sgd_learning_rate}};
  for (const Rule rule : {Rule::kSgd, Rule::kAdamW}) {
    Net reference(Table::kMupTable3, {});
    const at::Tensor expected = Train(reference, rule);
    for (const auto& [name, factor] : rule == Rule::kSgd ? sgd : adam) {
      int num_left_out = 0;
      for (const Table table : {Table::kMupTable3, Table::kMupTable8, Table::kMupTable9}) {
        for (const auto& role : GfnEnumEntries(ParameterRole{})) {
          Net net(table, {role.value, factor});
          if (!net.lacks_something()) continue;
          ++num_left_out;
          EXPECT_GT(Difference(Train(net, rule), expected), 1e-6) << EnumName(table) << " " << role.name << " " << name;
        }
      }
      EXPECT_GE(num_left_out, 3) << name;
    }
  }
}

// A coordinate check shows no wrong weight decay, so its invariance is held on its own.
TEST(ParametrisationTraining, LearningRateTimesWeightDecayIsTheSameForEveryMatrixAndTable) {
  for (const auto& table : GfnEnumEntries(Table{})) {
    Net net(table.value, {});
    for (const Parameter& parameter : net.set()) {
      if (parameter.tag->shape.role == ParameterRole::kVector) continue;
      EXPECT_DOUBLE_EQ(parameter.tag->factors.learning_rate * parameter.tag->factors.weight_decay, 1) << parameter.name;
    }
  }
}

}  // namespace
}  // namespace gfn
