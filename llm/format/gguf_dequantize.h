// Numbers of ggml's tensor types as fp32, in plain loops that a compiler vectorises.
//
// A quantised row is a sequence of blocks with one or two fp16 scales each:
//   Q4_0, Q5_0, Q8_0   x = d q          q centred (4 bits: -8..7, 5 bits: -16..15, 8 bits: -128..127)
//   Q4_1, Q5_1         x = d q + m      q from 0
//   Q4_K, Q5_K         x = (d s_j) q - (dmin m_j)     8 sub-blocks of 32 with 6-bit s_j and m_j
//   Q6_K               x = (d s_j) q                  16 sub-blocks of 16 with 8-bit s_j, q in -32..31
// The results are those of ggml's reference (ggml-quants.c, dequantize_row_*), bit for bit: one rounding per operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "llm/format/gguf_file.h"

namespace gfn {

// in: whole blocks of this type, anywhere in memory; out: as many numbers as they hold. Programmer error otherwise.
void Dequantize(GgmlType type, std::span<const std::byte> in, std::span<float> out);

// IEEE half precision and bfloat16 as fp32, exactly.
float HalfToFloat(uint16_t bits);
float BFloat16ToFloat(uint16_t bits);

}  // namespace gfn
