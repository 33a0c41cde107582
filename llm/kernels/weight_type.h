// How the numbers of a packed matrix are stored. No standard library here: see simd.h.
#pragma once

#include <stdint.h>

namespace gfn {

// Blocks are ggml's, 32 numbers along `in` with a half-precision scale d (and minimum m): kQ4_0 x = d (q - 8), kQ4_1 x = d q + m,
// kQ8_0 x = d q with q signed.
enum class WeightType { kFloat32, kBFloat16, kQ4_0, kQ4_1, kQ8_0 };

inline constexpr int64_t kPanelWidth = 48;    // rows of a panel, = PackedMatrix::kPanelRows
inline constexpr int64_t kBlockNumbers = 32;  // of a ggml block

// Panels of a packed matrix and how to read them.
struct PanelWeights {
  WeightType type = WeightType::kFloat32;
  bool bfloat16 = false;  // products round both operands to bfloat16
  const unsigned char* panels = nullptr;
  int64_t panel_bytes = 0;
  int64_t in = 0;
};

}  // namespace gfn
