#include "gflownet/tensor/parametrisation.h"

#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

// (fan_in / base)^in * (fan_out / base)^out
struct Powers {
  double in = 0;
  double out = 0;

  double At(const ParameterShape& shape) const {
    return std::pow(shape.fan_in.ratio(), in) * std::pow(shape.fan_out.ratio(), out);
  }
};

// The tables, in ratios to the base model: what is constant there is 1 here. The published tables write n for both sizes of a
// hidden matrix; where a plain gradient step depends on which is meant, it is fan_out / fan_in, the ratio that keeps its effect.
struct Row {
  Powers variance;    // beside 1 / fan_in
  Powers multiplier;  // forward
  Powers sgd;         // learning rates
  Powers adam;
  Powers readout = {};  // kTied: the multiplier as the output matrix
};

constexpr Row kHidden = {.variance = {}, .multiplier = {}, .sgd = {-1, 1}, .adam = {-1, 0}};
// Input weights, and all vectors.
constexpr Row kInput38 = {.variance = {}, .multiplier = {}, .sgd = {0, 1}, .adam = {}, .readout = {0, -1}};
constexpr Row kInput9 = {.variance = {0, -1}, .multiplier = {0, 0.5}, .sgd = {}, .adam = {0, -0.5}, .readout = {0, -0.5}};
constexpr Row kOutput3 = {.variance = {-1, 0}, .multiplier = {}, .sgd = {-1, 0}, .adam = {-1, 0}};
constexpr Row kOutput8 = {.variance = {1, 0}, .multiplier = {-1, 0}, .sgd = {1, 0}, .adam = {}};
constexpr Row kOutput9 = {.variance = {}, .multiplier = {-0.5, 0}, .sgd = {}, .adam = {-0.5, 0}};

Row RowOf(ParametrisationTable table, ParameterRole role) {
  if (table == ParametrisationTable::kStandard || role == ParameterRole::kScalar) return {};
  if (role == ParameterRole::kHidden) return kHidden;
  if (role == ParameterRole::kOutput) {
    return table == ParametrisationTable::kMupTable3 ? kOutput3 : table == ParametrisationTable::kMupTable8 ? kOutput8 : kOutput9;
  }
  return table == ParametrisationTable::kMupTable9 ? kInput9 : kInput38;
}

// How the gradient of what the forward pass uses scales in muP: the derivative by a coordinate of a width falls with it.
Powers GradientOf(ParametrisationTable table, ParameterRole role) {
  if (table == ParametrisationTable::kStandard || role == ParameterRole::kScalar || role == ParameterRole::kOutput) return {};
  return {0, -1};
}

std::string WidthText(std::string_view name, Width width) {
  std::string text = std::string(name) + " " + std::to_string(width.size);
  if (width.grows()) text += " (base " + std::to_string(width.base) + ")";
  return text;
}

void CheckWidth(std::string_view name, Width width) {
  GFN_CHECK(width.size > 0 && width.base >= 0)
      << name << " of a parameter is " << width.size << ", in the base model " << width.base;
}

}  // namespace

ParameterShape MatrixShape(Width fan_in, Width fan_out, Width depth) {
  const ParameterRole role = fan_in.grows() ? (fan_out.grows() ? ParameterRole::kHidden : ParameterRole::kOutput)
                                            : (fan_out.grows() ? ParameterRole::kInput : ParameterRole::kScalar);
  return {.role = role, .fan_in = fan_in, .fan_out = fan_out, .depth = depth};
}

ParameterShape VectorShape(Width length, Width depth) {
  return {.role = ParameterRole::kVector, .fan_in = {1}, .fan_out = length, .depth = depth};
}

ParameterShape EmbeddingShape(Width width, bool tied) {
  return {.role = tied ? ParameterRole::kTied : ParameterRole::kInput, .fan_in = {1}, .fan_out = width};
}

ParameterFactors FactorsOf(const Parametrisation& parametrisation, const ParameterShape& shape) {
  CheckWidth("fan_in", shape.fan_in);
  CheckWidth("fan_out", shape.fan_out);
  CheckWidth("depth", shape.depth);
  const Row row = RowOf(parametrisation.table, shape.role);
  ParameterFactors factors;
  factors.init_variance = row.variance.At(shape) / static_cast<double>(shape.fan_in.size);
  factors.multiplier = row.multiplier.At(shape);
  factors.readout_multiplier = shape.role == ParameterRole::kTied ? row.readout.At(shape) : 1;
  factors.learning_rate = row.adam.At(shape);
  factors.sgd_learning_rate = row.sgd.At(shape);
  factors.epsilon = GradientOf(parametrisation.table, shape.role).At(shape) * factors.multiplier;
  if (parametrisation.depth_alpha.has_value()) {
    // Every one of depth branches, each multiplied by depth^-alpha, moves the function by 1 / depth of the whole. Adam's step
    // does not see the multiplier in the gradient, a plain step sees it once more.
    const double alpha = *parametrisation.depth_alpha, ratio = shape.depth.ratio();
    factors.learning_rate *= std::pow(ratio, alpha - 1);
    factors.sgd_learning_rate *= std::pow(ratio, 2 * alpha - 1);
    factors.epsilon *= std::pow(ratio, -alpha);
  }
  factors.weight_decay = 1 / factors.learning_rate;
  // CompleteP decays no biases and gains.
  const bool is_vector = shape.role == ParameterRole::kVector;
  if (is_vector && parametrisation.table != ParametrisationTable::kStandard) factors.weight_decay = 0;
  return factors;
}

double ResidualMultiplier(const Parametrisation& parametrisation, Width depth) {
  CheckWidth("depth", depth);
  return parametrisation.depth_alpha.has_value() ? std::pow(depth.ratio(), -*parametrisation.depth_alpha) : 1;
}

double AttentionScale(const Parametrisation& parametrisation, Width head_size) {
  CheckWidth("head size", head_size);
  const double standard = 1 / std::sqrt(static_cast<double>(head_size.size));
  return parametrisation.table == ParametrisationTable::kStandard ? standard : standard / std::sqrt(head_size.ratio());
}

std::string Describe(const Parametrisation& parametrisation) {
  std::string text(EnumName(parametrisation.table));
  if (parametrisation.depth_alpha.has_value()) text += ", depth_alpha " + FormatReal(*parametrisation.depth_alpha);
  return text;
}

std::string Describe(const ParameterShape& shape) {
  return std::string(EnumName(shape.role)) + ", " + WidthText("fan_in", shape.fan_in) + ", " +
         WidthText("fan_out", shape.fan_out) + ", " + WidthText("depth", shape.depth);
}

std::string Describe(const ParameterFactors& factors) {
  return "init_variance " + FormatReal(factors.init_variance) + ", multiplier " + FormatReal(factors.multiplier) +
         ", readout_multiplier " + FormatReal(factors.readout_multiplier) + ", learning_rate " +
         FormatReal(factors.learning_rate) + ", weight_decay " + FormatReal(factors.weight_decay) + ", epsilon " +
         FormatReal(factors.epsilon) + ", sgd_learning_rate " + FormatReal(factors.sgd_learning_rate);
}

}  // namespace gfn
