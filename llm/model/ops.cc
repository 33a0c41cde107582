#include "llm/model/ops.h"

#include "gflownet/base/check.h"

namespace gfn {
namespace {

// The fused kernels take fp32 on the CPU.
bool UseKernels(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }

const float* Data(const at::Tensor& x) { return x.const_data_ptr<float>(); }

// Normalised x and the factor 1 / scale of each row, for the ATen forms.
std::pair<at::Tensor, at::Tensor> Normalise(const NormWeights& norm, const at::Tensor& x) {
  const at::Tensor centred = norm.bias_C.defined() ? x - x.mean(-1, true) : x;
  const at::Tensor inverse = (centred.square().mean(-1, true) + norm.epsilon).rsqrt();
  return {centred * inverse, inverse};
}

}  // namespace

at::Tensor ResultLike(const at::Tensor& x, int64_t rows, int64_t width, const at::Tensor& into) {
  const bool fits = into.defined() && into.dim() == 2 && into.size(0) == rows && into.size(1) == width &&
                    into.scalar_type() == x.scalar_type() && into.is_contiguous();
  return fits ? into : at::empty({rows, width}, x.options());
}

at::Tensor NormForward(const NormWeights& norm, const at::Tensor& x_NC, const at::Tensor& into) {
  if (UseKernels(x_NC)) {
    const at::Tensor x = x_NC.contiguous();
    at::Tensor y = ResultLike(x, x.size(0), x.size(1), into);
    const float epsilon = static_cast<float>(norm.epsilon);
    if (norm.bias_C.defined()) {
      LayerNormForward(Data(x), Data(norm.weight_C), Data(norm.bias_C), x.size(0), x.size(1), epsilon,
                       y.mutable_data_ptr<float>(), nullptr, nullptr);
    } else {
      RmsNormForward(Data(x), Data(norm.weight_C), x.size(0), x.size(1), epsilon, y.mutable_data_ptr<float>(), nullptr);
    }
    return y;
  }
  const at::Tensor y = Normalise(norm, x_NC).first * norm.weight_C;
  return norm.bias_C.defined() ? y + norm.bias_C : y;
}

void NormBackward(const NormWeights& norm, const at::Tensor& x_NC, const at::Tensor& dy_NC, at::Tensor& dx_NC) {
  if (UseKernels(x_NC)) {
    // The statistics are two cheap passes over x: made again here rather than kept for every layer.
    const int64_t n = x_NC.size(0), width = x_NC.size(1);
    at::Tensor scratch = at::empty_like(x_NC), mean = at::empty({n}, x_NC.options()), inverse = at::empty({n}, x_NC.options());
    const float epsilon = static_cast<float>(norm.epsilon);
    if (norm.bias_C.defined()) {
      LayerNormForward(Data(x_NC), Data(norm.weight_C), Data(norm.bias_C), n, width, epsilon, scratch.mutable_data_ptr<float>(),
                       mean.mutable_data_ptr<float>(), inverse.mutable_data_ptr<float>());
      LayerNormBackward(Data(x_NC), Data(norm.weight_C), Data(mean), Data(inverse), Data(dy_NC), n, width,
                        dx_NC.mutable_data_ptr<float>(), true);
    } else {
      RmsNormForward(Data(x_NC), Data(norm.weight_C), n, width, epsilon, scratch.mutable_data_ptr<float>(),
                     inverse.mutable_data_ptr<float>());
      RmsNormBackward(Data(x_NC), Data(norm.weight_C), Data(inverse), Data(dy_NC), n, width, dx_NC.mutable_data_ptr<float>(),
                      true);
    }
    return;
  }
  const auto [unit, inverse] = Normalise(norm, x_NC);
  at::Tensor d_unit = dy_NC * norm.weight_C;
  at::Tensor d = d_unit - unit * (d_unit * unit).mean(-1, true);
  if (norm.bias_C.defined()) d = d - d_unit.mean(-1, true);
  dx_NC.add_(d * inverse);
}

void NormPiecesInPlace(const NormWeights& norm, at::Tensor x_NW) {  // NOLINT(performance-unnecessary-value-param): x_NW changes
  const int64_t width = norm.weight_C.numel(), pieces = x_NW.size(1) / width;
  if (UseKernels(x_NW)) {
    float* x = x_NW.mutable_data_ptr<float>();
    RmsNormGroupsForward(x, x_NW.stride(0), Data(norm.weight_C), x_NW.size(0), pieces, width, static_cast<float>(norm.epsilon), x,
                         x_NW.stride(0));
    return;
  }
  const at::Tensor x_NPC = x_NW.unflatten(1, {pieces, width});
  x_NPC.copy_(Normalise(norm, x_NPC).first * norm.weight_C);
}

void NormPiecesBackwardInPlace(const NormWeights& norm, const at::Tensor& x_NW,
                               at::Tensor d_NW) {  // NOLINT(performance-unnecessary-value-param): d_NW changes
  const int64_t width = norm.weight_C.numel(), pieces = x_NW.size(1) / width;
  if (UseKernels(x_NW)) {
    float* d = d_NW.mutable_data_ptr<float>();
    RmsNormGroupsBackward(Data(x_NW), x_NW.stride(0), Data(norm.weight_C), d, d_NW.stride(0), x_NW.size(0), pieces, width,
                          static_cast<float>(norm.epsilon), d, d_NW.stride(0));
    return;
  }
  const at::Tensor d_NPC = d_NW.unflatten(1, {pieces, width});
  const auto [unit, inverse] = Normalise(norm, x_NW.unflatten(1, {pieces, width}));
  const at::Tensor d_unit = d_NPC * norm.weight_C;
  d_NPC.copy_((d_unit - unit * (d_unit * unit).mean(-1, true)) * inverse);
}

Rotary MakeRotary(int64_t num_positions, const std::vector<double>& frequencies, double attention_factor, RotaryStyle style,
                  at::ScalarType dtype, at::Device device) {
  // Angles are made in double precision: position * frequency loses digits in fp32 at long contexts.
  const auto f64 = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor angle_PR = at::outer(at::arange(num_positions, f64), at::tensor(frequencies, f64));
  const auto table = [&](const at::Tensor& x_PR) { return x_PR.mul(attention_factor).to(device, dtype).contiguous(); };
  return {table(angle_PR.cos()), table(angle_PR.sin()), style};
}

void RotateInPlace(const Rotary& rotary, at::Tensor x_NW, int64_t num_heads, int64_t head_dim, const at::Tensor& positions_N,
                   bool inverse) {  // NOLINT(performance-unnecessary-value-param): x_NW changes
  const int64_t half = rotary.cosine_PR.size(1);
  if (UseKernels(x_NW)) {
    const RotaryTable table{Data(rotary.cosine_PR), Data(rotary.sine_PR), rotary.cosine_PR.size(0), static_cast<int>(2 * half)};
    RotaryInPlace(x_NW.mutable_data_ptr<float>(), x_NW.stride(0), x_NW.size(0), static_cast<int>(num_heads),
                  static_cast<int>(head_dim), positions_N.const_data_ptr<int32_t>(), table, rotary.style, inverse);
    return;
  }
  const at::Tensor x_NHD = x_NW.narrow(1, 0, num_heads * head_dim).view({x_NW.size(0), num_heads, head_dim});
  const at::Tensor cosine = rotary.cosine_PR.index_select(0, positions_N).unsqueeze(1);
  const at::Tensor sine = rotary.sine_PR.index_select(0, positions_N).unsqueeze(1) * (inverse ? -1.0 : 1.0);
  const bool interleaved = rotary.style == RotaryStyle::kInterleaved;
  const at::Tensor first = interleaved ? x_NHD.slice(2, 0, 2 * half, 2) : x_NHD.narrow(2, 0, half);
  const at::Tensor second = interleaved ? x_NHD.slice(2, 1, 2 * half, 2) : x_NHD.narrow(2, half, half);
  const at::Tensor rotated_first = first * cosine - second * sine;
  const at::Tensor rotated_second = second * cosine + first * sine;
  first.copy_(rotated_first);
  second.copy_(rotated_second);
}

namespace {

at::Tensor Activate(Activation activation, const at::Tensor& x) {
  return activation == Activation::kSilu ? at::silu(x) : at::gelu(x, "tanh");
}
at::Tensor ActivateBackward(Activation activation, const at::Tensor& dy, const at::Tensor& x) {
  return activation == Activation::kSilu ? at::silu_backward(dy, x) : at::gelu_backward(dy, x, "tanh");
}

}  // namespace

at::Tensor ActivationForward(MlpKind kind, const at::Tensor& up, const at::Tensor& into) {
  const bool is_silu = kind.activation == Activation::kSilu;
  const int64_t width = up.size(1) / (kind.gated ? 2 : 1);
  if (UseKernels(up) && (kind.gated || !is_silu)) {
    at::Tensor y = ResultLike(up, up.size(0), width, into);
    if (kind.gated) {
      (is_silu ? SwigluForward : GegluForward)(Data(up), up.size(0), width, y.mutable_data_ptr<float>(), 0);
    } else {
      GeluForward(Data(up), up.numel(), y.mutable_data_ptr<float>());
    }
    return y;
  }
  return kind.gated ? Activate(kind.activation, up.narrow(1, 0, width)) * up.narrow(1, width, width)
                    : Activate(kind.activation, up);
}

at::Tensor ActivationBackward(MlpKind kind, const at::Tensor& up, const at::Tensor& d_act) {
  const bool is_silu = kind.activation == Activation::kSilu;
  if (UseKernels(up) && (kind.gated || !is_silu)) {
    at::Tensor d_up = at::empty_like(up);
    if (kind.gated) {
      (is_silu ? SwigluBackward : GegluBackward)(Data(up), Data(d_act), up.size(0), up.size(1) / 2,
                                                 d_up.mutable_data_ptr<float>(), 0);
    } else {
      GeluBackward(Data(up), Data(d_act), up.numel(), d_up.mutable_data_ptr<float>());
    }
    return d_up;
  }
  if (!kind.gated) return ActivateBackward(kind.activation, d_act, up);
  const int64_t width = up.size(1) / 2;
  const at::Tensor gate = up.narrow(1, 0, width);
  return at::cat(
      {ActivateBackward(kind.activation, d_act * up.narrow(1, width, width), gate), d_act * Activate(kind.activation, gate)}, 1);
}

}  // namespace gfn
