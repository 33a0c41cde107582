// Rope for contexts longer than the first training's: how the frequencies of a model differ from base^(-2i / rotary_dim).
//
//   linear          all divided by `factor` (position interpolation)
//   llama3          long waves divided by `factor`, short ones kept, a ramp between (Llama 3.1)
//   yarn            the same idea by dimensions, and cosines and sines times attention_factor (Peng et al. 2023)
//   per_frequency   each divided by a number of its own (GGUF's rope_freqs.weight; longrope, whose second list for texts longer
//                   than the original context is never needed: such contexts are refused)
//   dynamic         is none: it changes nothing within the model's positions
//
// Formulas: transformers, modeling_rope_utils.py; llama.cpp, ggml_rope_ext. They agree where both know a kind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/enum_table.h"

namespace gfn {

enum class RopeScalingKind { kNone, kLinear, kLlama3, kYarn, kPerFrequency };
GFN_ENUM_TABLE(RopeScalingKind, {RopeScalingKind::kNone, "none"}, {RopeScalingKind::kLinear, "linear"},
               {RopeScalingKind::kLlama3, "llama3"}, {RopeScalingKind::kYarn, "yarn"},
               {RopeScalingKind::kPerFrequency, "per_frequency"})

// The tensor of GGUF files that holds the divisors.
inline constexpr char kGgufRopeDivisors[] = "rope_freqs.weight";
// The same of longrope, for texts of up to the original context and for longer ones.
inline constexpr char kGgufShortDivisors[] = "rope_factors_short.weight";
inline constexpr char kGgufLongDivisors[] = "rope_factors_long.weight";

struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::kNone;
  double factor = 1.0;
  int64_t original_positions = 0;                        // llama3, yarn, longrope: the context of the first training
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  double beta_fast = 32.0, beta_slow = 1.0;              // yarn: rotations within the original context that bound the ramp
  bool truncate = true;                                  // yarn: the ramp's bounds are whole dimensions
  double attention_factor = 1.0;                         // every kind: cosines and sines are multiplied by it
  std::vector<double> divisors;                          // per_frequency: [rotary_dim / 2]
};

// Radians a position, [rotary_dim / 2].
std::vector<double> RopeFrequencies(double theta, int64_t rotary_dim, const RopeScaling& scaling);

// yarn's attention_factor where a file does not state it: 0.1 mscale ln(factor) + 1, 1 for factors up to 1.
double YarnMagnitude(double factor, double mscale = 1.0);

// The llama3 scaling of Llama 3.1 and its descendants (factors 1 and 4, 8192 positions) that gives these divisors, or
// per_frequency: GGUF files keep only the divisors.
RopeScaling ScalingOfDivisors(double theta, int64_t rotary_dim, std::vector<double> divisors);

// "llama3, factor 8"; "" for none.
std::string RopeScalingText(const RopeScaling& scaling);

}  // namespace gfn
