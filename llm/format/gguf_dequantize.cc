#include "llm/format/gguf_dequantize.h"

#include <bit>
#include <cstring>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

uint16_t LoadU16(const uint8_t* p) {
  uint16_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

uint32_t LoadU32(const uint8_t* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

float LoadHalf(const uint8_t* p) { return HalfToFloat(LoadU16(p)); }

void DecodeQ4_0(const uint8_t* in, float* out) {  // d | qs[16]
  const float d = LoadHalf(in);
  const uint8_t* qs = in + 2;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>((qs[j] & 0xF) - 8) * d;
    out[j + 16] = static_cast<float>((qs[j] >> 4) - 8) * d;
  }
}

void DecodeQ4_1(const uint8_t* in, float* out) {  // d | m | qs[16]
  const float d = LoadHalf(in), m = LoadHalf(in + 2);
  const uint8_t* qs = in + 4;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(qs[j] & 0xF) * d + m;
    out[j + 16] = static_cast<float>(qs[j] >> 4) * d + m;
  }
}

// Bit j of qh is the fifth bit of number j.
void DecodeQ5_0(const uint8_t* in, float* out) {  // d | qh | qs[16]
  const float d = LoadHalf(in);
  const uint32_t qh = LoadU32(in + 2);
  const uint8_t* qs = in + 6;
  for (int j = 0; j < 16; ++j) {
    const int low = (qs[j] & 0xF) | static_cast<int>((qh >> j) & 1) << 4;
    const int high = (qs[j] >> 4) | static_cast<int>((qh >> (j + 16)) & 1) << 4;
    out[j] = static_cast<float>(low - 16) * d;
    out[j + 16] = static_cast<float>(high - 16) * d;
  }
}

void DecodeQ5_1(const uint8_t* in, float* out) {  // d | m | qh | qs[16]
  const float d = LoadHalf(in), m = LoadHalf(in + 2);
  const uint32_t qh = LoadU32(in + 4);
  const uint8_t* qs = in + 8;
  for (int j = 0; j < 16; ++j) {
    const int low = (qs[j] & 0xF) | static_cast<int>((qh >> j) & 1) << 4;
    const int high = (qs[j] >> 4) | static_cast<int>((qh >> (j + 16)) & 1) << 4;
    out[j] = static_cast<float>(low) * d + m;
    out[j + 16] = static_cast<float>(high) * d + m;
  }
}

void DecodeQ8_0(const uint8_t* in, float* out) {  // d | qs[32]
  const float d = LoadHalf(in);
  const auto* qs = reinterpret_cast<const int8_t*>(in + 2);
  for (int j = 0; j < 32; ++j) out[j] = static_cast<float>(qs[j]) * d;
}

// The 6-bit scale and minimum of sub-block j, packed into 12 bytes.
struct ScaleMin {
  int scale, min;
};
ScaleMin UnpackScaleMin(int j, const uint8_t* packed) {
  if (j < 4) return {packed[j] & 63, packed[j + 4] & 63};
  return {(packed[j + 4] & 0xF) | (packed[j - 4] >> 6) << 4, (packed[j + 4] >> 4) | (packed[j] >> 6) << 4};
}

void DecodeQ4_K(const uint8_t* in, float* out) {  // d | dmin | scales[12] | qs[128]
  const float d = LoadHalf(in), dmin = LoadHalf(in + 2);
  const uint8_t* scales = in + 4;
  const uint8_t* qs = in + 16;
  for (int pair = 0; pair < 4; ++pair, qs += 32, out += 64) {
    const ScaleMin low = UnpackScaleMin(2 * pair, scales), high = UnpackScaleMin(2 * pair + 1, scales);
    const float d1 = d * static_cast<float>(low.scale), m1 = dmin * static_cast<float>(low.min);
    const float d2 = d * static_cast<float>(high.scale), m2 = dmin * static_cast<float>(high.min);
    for (int l = 0; l < 32; ++l) out[l] = d1 * static_cast<float>(qs[l] & 0xF) - m1;
    for (int l = 0; l < 32; ++l) out[l + 32] = d2 * static_cast<float>(qs[l] >> 4) - m2;
  }
}

// Bit j of qh[l] is the fifth bit of number l of sub-block j.
void DecodeQ5_K(const uint8_t* in, float* out) {  // d | dmin | scales[12] | qh[32] | qs[128]
  const float d = LoadHalf(in), dmin = LoadHalf(in + 2);
  const uint8_t* scales = in + 4;
  const uint8_t* qh = in + 16;
  const uint8_t* qs = in + 48;
  for (int pair = 0; pair < 4; ++pair, qs += 32, out += 64) {
    const ScaleMin low = UnpackScaleMin(2 * pair, scales), high = UnpackScaleMin(2 * pair + 1, scales);
    const float d1 = d * static_cast<float>(low.scale), m1 = dmin * static_cast<float>(low.min);
    const float d2 = d * static_cast<float>(high.scale), m2 = dmin * static_cast<float>(high.min);
    for (int l = 0; l < 32; ++l) {
      const int q1 = (qs[l] & 0xF) | ((qh[l] >> (2 * pair)) & 1) << 4;
      const int q2 = (qs[l] >> 4) | ((qh[l] >> (2 * pair + 1)) & 1) << 4;
      out[l] = d1 * static_cast<float>(q1) - m1;
      out[l + 32] = d2 * static_cast<float>(q2) - m2;
    }
  }
}

// Two bits of qh[l] belong to each of four numbers that are 32 apart.
void DecodeQ6_K(const uint8_t* in, float* out) {  // ql[128] | qh[64] | scales[16] | d
  const uint8_t* ql = in;
  const uint8_t* qh = in + 128;
  const auto* scales = reinterpret_cast<const int8_t*>(in + 192);
  const float d = LoadHalf(in + 208);
  for (int half = 0; half < 2; ++half, ql += 64, qh += 32, scales += 8, out += 128) {
    for (int k = 0; k < 2; ++k) {  // 16 numbers of each quarter share a scale
      const float d1 = d * static_cast<float>(scales[k]), d2 = d * static_cast<float>(scales[k + 2]);
      const float d3 = d * static_cast<float>(scales[k + 4]), d4 = d * static_cast<float>(scales[k + 6]);
      for (int l = 16 * k; l < 16 * k + 16; ++l) {
        out[l] = d1 * static_cast<float>(((ql[l] & 0xF) | (qh[l] & 3) << 4) - 32);
        out[l + 32] = d2 * static_cast<float>(((ql[l + 32] & 0xF) | ((qh[l] >> 2) & 3) << 4) - 32);
        out[l + 64] = d3 * static_cast<float>(((ql[l] >> 4) | ((qh[l] >> 4) & 3) << 4) - 32);
        out[l + 96] = d4 * static_cast<float>(((ql[l + 32] >> 4) | ((qh[l] >> 6) & 3) << 4) - 32);
      }
    }
  }
}

void DecodeF16(const uint8_t* in, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = HalfToFloat(LoadU16(in + 2 * i));
}

void DecodeBF16(const uint8_t* in, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = BFloat16ToFloat(LoadU16(in + 2 * i));
}

}  // namespace

// Shifts the exponent by a multiplication, which also normalises subnormal numbers; infinities and NaNs come out at or above
// 2^16 and get the exponent of all ones.
float HalfToFloat(uint16_t bits) {
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7FFF) << 13;
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t special = scaled >= 65536.0f ? 0x7F800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | special | static_cast<uint32_t>(bits & 0x8000) << 16);
}

float BFloat16ToFloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

void Dequantize(GgmlType type, std::span<const std::byte> in, std::span<float> out) {
  const GgmlBlock block = BlockOf(type);
  const size_t num_blocks = in.size() / static_cast<size_t>(block.bytes);
  GFN_CHECK(in.size() == num_blocks * static_cast<size_t>(block.bytes) &&
            out.size() == num_blocks * static_cast<size_t>(block.elements))
      << EnumName(type) << ": " << in.size() << " bytes for " << out.size() << " numbers";
  const auto* bytes = reinterpret_cast<const uint8_t*>(in.data());
  const auto each_block = [&](void (*decode)(const uint8_t*, float*)) {
    for (size_t b = 0; b < num_blocks; ++b) {
      decode(bytes + b * static_cast<size_t>(block.bytes), out.data() + b * static_cast<size_t>(block.elements));
    }
  };
  switch (type) {
    case GgmlType::kF32:
      if (!in.empty()) std::memcpy(out.data(), bytes, in.size());
      return;
    case GgmlType::kF16:
      return DecodeF16(bytes, out.data(), out.size());
    case GgmlType::kBF16:
      return DecodeBF16(bytes, out.data(), out.size());
    case GgmlType::kQ4_0:
      return each_block(DecodeQ4_0);
    case GgmlType::kQ4_1:
      return each_block(DecodeQ4_1);
    case GgmlType::kQ5_0:
      return each_block(DecodeQ5_0);
    case GgmlType::kQ5_1:
      return each_block(DecodeQ5_1);
    case GgmlType::kQ8_0:
      return each_block(DecodeQ8_0);
    case GgmlType::kQ4_K:
      return each_block(DecodeQ4_K);
    case GgmlType::kQ5_K:
      return each_block(DecodeQ5_K);
    case GgmlType::kQ6_K:
      return each_block(DecodeQ6_K);
  }
}

}  // namespace gfn
