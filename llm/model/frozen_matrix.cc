#include "llm/model/frozen_matrix.h"

#include "gflownet/base/check.h"
#include "llm/model/lora_ops.h"
#include "llm/model/ops.h"

namespace gfn {
namespace {

// x with unit stride in its rows, fp32, as the kernels take it.
at::Tensor RowMajor(const at::Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

}  // namespace

at::ScalarType ScalarTypeOf(ModelDtype dtype) { return dtype == ModelDtype::kBFloat16 ? at::kBFloat16 : ActivationType(dtype); }

at::ScalarType ActivationType(ModelDtype dtype) { return dtype == ModelDtype::kFloat64 ? at::kDouble : at::kFloat; }

FrozenMatrix::FrozenMatrix(const at::Tensor& weight_OI, const at::Tensor& bias_O, ModelDtype dtype, at::Device device)
    : num_inputs_(weight_OI.size(1)), num_outputs_(weight_OI.size(0)) {
  if (bias_O.defined()) bias_O_ = bias_O.to(device, ActivationType(dtype));
  if (device.is_cpu() && dtype != ModelDtype::kFloat64) {
    const at::Tensor source = weight_OI.to(at::kFloat).contiguous();
    packed_ = PackedMatrix::Pack(source.const_data_ptr<float>(), num_outputs_, num_inputs_,
                                 dtype == ModelDtype::kBFloat16 ? WeightType::kBFloat16 : WeightType::kFloat32);
  } else {
    weight_OI_ = weight_OI.to(device, ScalarTypeOf(dtype)).contiguous();
  }
}

FrozenMatrix::FrozenMatrix(WeightType type, std::span<const unsigned char* const> rows, int64_t num_inputs,
                           const at::Tensor& bias_O, ModelDtype dtype)
    : num_inputs_(num_inputs), num_outputs_(static_cast<int64_t>(rows.size())) {
  GFN_CHECK(dtype != ModelDtype::kFloat64) << "float64 keeps plain tensors";
  if (bias_O.defined()) bias_O_ = bias_O.to(at::kFloat);
  packed_.emplace(num_outputs_, num_inputs_, type, dtype == ModelDtype::kBFloat16);
  packed_->SetBlocks(0, rows);
}

void FrozenMatrix::SetOwnAdapter(LoraGroup group) {
  GFN_CHECK(!own_.a.defined()) << "a frozen matrix has one adapter of its own";
  const at::TensorOptions options =
      packed_ ? at::TensorOptions(at::kFloat)
              : weight_OI_.options().dtype(weight_OI_.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  own_ = std::move(group);
  own_.a = own_.a.detach().to(options).contiguous();
  if (packed_) own_a_ = PackedMatrix::Pack(own_.a.const_data_ptr<float>(), own_.a.size(0), num_inputs_, WeightType::kFloat32);
  for (LoraPart& part : own_.parts) {
    part.b = part.b.detach().to(options).contiguous();
    if (!packed_) continue;
    const at::Tensor b = part.b * part.scale;
    own_b_.push_back(PackedMatrix::Pack(b.const_data_ptr<float>(), b.size(0), b.size(1), WeightType::kFloat32));
  }
}

// The kernels' products add up in one order whatever the batch, so that sampler and scorer stay bit for bit the same.
void FrozenMatrix::AddOwn(const at::Tensor& x_NI, at::Tensor& y_NO) const {
  if (!own_.a.defined()) return;
  if (!packed_) {
    AddLora(own_, x_NI, {}, y_NO);
    return;
  }
  const at::Tensor x = RowMajor(x_NI);
  const int64_t n = x.size(0), width = own_a_->out();
  at::Tensor t_NP = at::empty({n, width}, x.options());
  float* t = t_NP.mutable_data_ptr<float>();
  own_a_->Apply(x.const_data_ptr<float>(), n, x.stride(0), t, width, false);
  for (size_t p = 0; p < own_.parts.size(); ++p) {
    const LoraPart& part = own_.parts[p];
    own_b_[p].Apply(t + part.a_begin, n, width, y_NO.mutable_data_ptr<float>() + part.module.out_begin, num_outputs_, true);
  }
}

void FrozenMatrix::AddOwnTransposed(const at::Tensor& dy_NO, at::Tensor& dx_NI) const {
  if (!own_.a.defined()) return;
  const int64_t n = dy_NO.size(0), width = own_.a.size(0);
  at::Tensor dt_NP = at::empty({n, width}, dy_NO.options());
  for (size_t p = 0; p < own_.parts.size(); ++p) {
    const LoraPart& part = own_.parts[p];
    if (packed_) {
      own_b_[p].ApplyTransposed(dy_NO.const_data_ptr<float>() + part.module.out_begin, n, dy_NO.stride(0),
                                dt_NP.mutable_data_ptr<float>() + part.a_begin, width, false);
    } else {
      const at::Tensor dy = dy_NO.narrow(1, part.module.out_begin, part.module.out_count);
      dt_NP.narrow(1, part.a_begin, part.rank()).copy_(at::mm(dy, part.b).mul_(part.scale));
    }
  }
  if (packed_) {
    own_a_->ApplyTransposed(dt_NP.const_data_ptr<float>(), n, width, dx_NI.mutable_data_ptr<float>(), num_inputs_, true);
  } else {
    dx_NI.addmm_(dt_NP, own_.a);
  }
}

void FrozenMatrix::Product(const at::Tensor& x_NI, const Share& share, at::Tensor& y_NO, bool accumulate) const {
  const at::Tensor x = RowMajor(x_NI);
  const float* in = x.const_data_ptr<float>();
  float* out = y_NO.mutable_data_ptr<float>();
  if (share.low_rank != nullptr) {
    *share.t_NP = ResultLike(x, x.size(0), share.low_rank->a.out(), *share.t_NP);
    packed_->ApplyWith(*share.low_rank, share.t_NP->mutable_data_ptr<float>(), in, x.size(0), x.stride(0), out, num_outputs_,
                       accumulate);
  } else {
    packed_->Apply(in, x.size(0), x.stride(0), out, num_outputs_, accumulate);
  }
}

at::Tensor FrozenMatrix::Apply(const at::Tensor& x_NI, const Share& share, const at::Tensor& into) const {
  GFN_CHECK_EQ(x_NI.size(1), num_inputs_);
  GFN_CHECK(packed_ || share.low_rank == nullptr) << "only a packed matrix takes an adapter's share along";
  at::Tensor y_NO;
  if (packed_) {
    y_NO = ResultLike(x_NI, x_NI.size(0), num_outputs_, into);
    Product(x_NI, share, y_NO, false);
  } else {
    y_NO = at::mm(x_NI.to(weight_OI_.scalar_type()), weight_OI_.t()).to(x_NI.scalar_type());
  }
  AddOwn(x_NI, y_NO);
  if (bias_O_.defined()) y_NO.add_(bias_O_);
  return y_NO;
}

void FrozenMatrix::AddTo(const at::Tensor& x_NI, const Share& share, at::Tensor& y_NO) const {
  if (!packed_) {
    y_NO.add_(Apply(x_NI, share, {}));
    return;
  }
  GFN_CHECK_EQ(x_NI.size(1), num_inputs_);
  GFN_CHECK(y_NO.is_contiguous() && y_NO.size(0) == x_NI.size(0) && y_NO.size(1) == num_outputs_);
  Product(x_NI, share, y_NO, true);
  AddOwn(x_NI, y_NO);
  if (bias_O_.defined()) y_NO.add_(bias_O_);
}

at::Tensor FrozenMatrix::ApplyTransposed(const at::Tensor& dy_NO) const {
  GFN_CHECK_EQ(dy_NO.size(1), num_outputs_);
  if (!packed_) {
    at::Tensor plain_NI = at::mm(dy_NO.to(weight_OI_.scalar_type()), weight_OI_).to(dy_NO.scalar_type());
    AddOwnTransposed(dy_NO, plain_NI);
    return plain_NI;
  }
  const at::Tensor dy = RowMajor(dy_NO);
  at::Tensor dx_NI = at::empty({dy.size(0), num_inputs_}, dy.options());
  packed_->ApplyTransposed(dy.const_data_ptr<float>(), dy.size(0), dy.stride(0), dx_NI.mutable_data_ptr<float>(), num_inputs_,
                           false);
  AddOwnTransposed(dy, dx_NI);
  return dx_NI;
}

at::Tensor FrozenMatrix::Rows(const at::Tensor& ids_N) const {
  if (!packed_) {
    const at::ScalarType type = weight_OI_.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    return at::index_select(weight_OI_, 0, ids_N.to(weight_OI_.device())).to(type);
  }
  const at::Tensor ids = ids_N.to(at::kCPU).contiguous();
  at::Tensor rows_NI = at::empty({ids.numel(), num_inputs_}, at::kFloat);
  const int64_t* id = ids.const_data_ptr<int64_t>();
  float* out = rows_NI.mutable_data_ptr<float>();
  for (int64_t n = 0; n < ids.numel(); ++n) packed_->Row(id[n], out + n * num_inputs_);
  return rows_NI;
}

int64_t FrozenMatrix::bytes() const {
  const int64_t bias = bias_O_.defined() ? static_cast<int64_t>(bias_O_.nbytes()) : 0;
  int64_t own = own_.a.defined() ? static_cast<int64_t>(own_.a.nbytes()) : 0;
  for (const LoraPart& part : own_.parts) own += static_cast<int64_t>(part.b.nbytes());
  if (own_a_) own += own_a_->bytes();
  for (const PackedMatrix& b : own_b_) own += b.bytes();
  return own + bias + (packed_ ? packed_->bytes() : weight_OI_.defined() ? static_cast<int64_t>(weight_OI_.nbytes()) : 0);
}

}  // namespace gfn
