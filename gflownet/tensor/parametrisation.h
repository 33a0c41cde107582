// How the start, the forward pass and the optimiser's step of a parameter depend on the sizes of its model, so that
// settings found on a small model serve a large one. All of it is data of one place: the role that a parameter's shape
// plays and its sizes as ratios to those of a base model decide a few factors. At the base model's sizes every table is
// the standard parametrisation.
//
// Sources: Yang, Hu et al. 2022, "Tensor Programs V" (arXiv 2203.03466), tables 3, 8 and 9, which are three ways to write
// one parametrisation; Dey et al. 2025, "Don't be lazy: CompleteP enables compute-efficient deep transformers" (arXiv
// 2505.01618), for depth, weight decay and Adam's epsilon.
//
// The three tables give the same functions at every step, if gradients are not clipped by their global norm: that norm is
// of the stored parameters, which differ between the tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gflownet/base/enum_table.h"

namespace gfn {

enum class ParametrisationTable { kStandard, kMupTable3, kMupTable8, kMupTable9 };
GFN_ENUM_TABLE(ParametrisationTable, {ParametrisationTable::kStandard, "standard", "variance 1 / fan_in, one learning rate"},
               {ParametrisationTable::kMupTable3, "mup_table3", "muP without forward multipliers"},
               {ParametrisationTable::kMupTable8, "mup_table8", "muP with a multiplier on the output: serves tied embeddings"},
               {ParametrisationTable::kMupTable9, "mup_table9", "muP with multipliers on input and output"})

// kTied is an embedding that is the output matrix as well. It is stored and stepped as an input weight; its use as the output
// has a multiplier of its own (ParameterFactors::readout_multiplier).
enum class ParameterRole { kInput, kHidden, kOutput, kTied, kVector, kScalar };
GFN_ENUM_TABLE(ParameterRole, {ParameterRole::kInput, "input", "a matrix from a fixed size to a width"},
               {ParameterRole::kHidden, "hidden", "a matrix from width to width"},
               {ParameterRole::kOutput, "output", "a matrix from a width to a fixed size"},
               {ParameterRole::kTied, "tied", "an embedding that is the output matrix as well"},
               {ParameterRole::kVector, "vector", "a bias or gain"},
               {ParameterRole::kScalar, "scalar", "nothing of it grows with the model"})

struct Parametrisation {
  ParametrisationTable table = ParametrisationTable::kStandard;
  // CompleteP's alpha: a residual branch is multiplied by (depth / base depth)^-alpha. Without it depth changes nothing.
  std::optional<double> depth_alpha;

  bool is_standard() const { return table == ParametrisationTable::kStandard && !depth_alpha.has_value(); }
  bool operator==(const Parametrisation&) const = default;
};

// One size of a model. base is the same size in the base model; 0 means that it is fixed: a vocabulary, a number of colours.
struct Width {
  int64_t size = 0;
  int64_t base = 0;

  bool grows() const { return base > 0; }
  double ratio() const { return grows() ? static_cast<double>(size) / static_cast<double>(base) : 1; }
  // The size of both together: heads and the size of each, channels and the positions of a kernel.
  Width Times(Width other) const {
    const auto in_base = [](Width width) { return width.grows() ? width.base : width.size; };
    return {size * other.size, grows() || other.grows() ? in_base(*this) * in_base(other) : 0};
  }
  bool operator==(const Width&) const = default;
};

struct ParameterShape {
  ParameterRole role = ParameterRole::kScalar;
  Width fan_in{1};   // of a vector or scalar 1
  Width fan_out{1};  // of a vector its length
  // Number of residual blocks of the model whose block holds the parameter; fixed outside of blocks.
  Width depth{1};

  bool operator==(const ParameterShape&) const = default;
};

// The shape of a matrix (or convolution), whose role follows from which of its sizes grow; kScalar if none does.
ParameterShape MatrixShape(Width fan_in, Width fan_out, Width depth = {1});
ParameterShape VectorShape(Width length, Width depth = {1});
// Sizes of an embedding [vocabulary, width]: a row is looked up, so fan_in is 1.
ParameterShape EmbeddingShape(Width width, bool tied);

struct ParameterFactors {
  double init_variance = 1;       // of the stored Gaussian weight: an absolute number, 1 / fan_in in the standard table
  double multiplier = 1;          // the forward pass uses multiplier * stored value
  double readout_multiplier = 1;  // of kTied: the same where it serves as the output
  double learning_rate = 1;       // on Adam's learning rate
  double weight_decay = 1;        // on AdamW's weight decay: learning rate x weight decay does not change with the sizes
  double epsilon = 1;             // on Adam's epsilon: as the gradient of the stored value scales
  double sgd_learning_rate = 1;   // on the learning rate of plain gradient steps

  bool operator==(const ParameterFactors&) const = default;
};

// Aborts on sizes below 1 and on a negative base: a program's mistake.
ParameterFactors FactorsOf(const Parametrisation& parametrisation, const ParameterShape& shape);

// On what a residual branch adds: (depth / base depth)^-alpha.
double ResidualMultiplier(const Parametrisation& parametrisation, Width depth);
// On the products of queries and keys: 1 / sqrt(size); in muP sqrt(base) / size for a size that grows.
double AttentionScale(const Parametrisation& parametrisation, Width head_size);

// "mup_table8, depth_alpha 1".
std::string Describe(const Parametrisation& parametrisation);
// "hidden, fan_in 64 (base 16), fan_out 64 (base 16), depth 4 (base 2)".
std::string Describe(const ParameterShape& shape);
// Every factor by name, in the shortest form that reads back as the same number.
std::string Describe(const ParameterFactors& factors);

}  // namespace gfn
