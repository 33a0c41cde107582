#include "gflownet/core/support.h"

#include <algorithm>

#include "gflownet/base/check.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {
namespace {

// bool [A]: which actions finish the object.
at::Tensor StopMask(const Support& support, at::Device device) {
  at::Tensor is_stop_A = at::zeros({support.num_actions}, at::TensorOptions().dtype(at::kBool).device(device));
  if (support.stops_S.defined()) is_stop_A.index_fill_(0, support.stops_S, true);
  return is_stop_A;
}

}  // namespace

at::Tensor Support::Dense() const {
  GFN_CHECK(done_B.is_cpu()) << "states live on the CPU";
  const int64_t num_rows = batch_size();
  const auto contiguous = [](const at::Tensor& x) { return x.defined() ? x.contiguous() : x; };
  // What a free row may do, stops apart: copied row by row, since a vocabulary is long and its rows are nearly alike.
  at::Tensor inner_A = StopMask(*this, done_B.device()).logical_not();
  if (vocabulary_A.defined()) inner_A = inner_A.logical_and(vocabulary_A);
  const at::Tensor stops = contiguous(stops_S), stop_legal = contiguous(stop_legal_B), inner_legal = contiguous(inner_legal_B);
  const at::Tensor forced = contiguous(forced_B), mask = contiguous(mask_BA), done = done_B.contiguous();
  const bool* inner = inner_A.const_data_ptr<bool>();

  at::Tensor legal_BA = at::zeros({num_rows, num_actions}, at::kBool);
  bool* row = legal_BA.mutable_data_ptr<bool>();
  for (int64_t b = 0; b < num_rows; ++b, row += num_actions) {
    if (done.const_data_ptr<bool>()[b]) continue;
    if (const int64_t action = forced.defined() ? forced.const_data_ptr<int64_t>()[b] : -1; action >= 0) {
      if (action < num_actions) row[action] = true;
      continue;
    }
    if (!inner_legal.defined() || inner_legal.const_data_ptr<bool>()[b]) {
      std::copy_n(inner, num_actions, row);
      if (mask.defined()) {
        const bool* allowed = mask.const_data_ptr<bool>() + b * num_actions;
        for (int64_t a = 0; a < num_actions; ++a) row[a] = row[a] && allowed[a];
      }
    }
    if (stops.defined() && (!stop_legal.defined() || stop_legal.const_data_ptr<bool>()[b])) {
      for (int64_t s = 0; s < stops.numel(); ++s) row[stops.const_data_ptr<int64_t>()[s]] = true;
    }
  }
  return legal_BA;
}

at::Tensor Support::IsLegal(const at::Tensor& actions_B) const {
  if (low_BD.defined()) return actions_B.ge(low_BD).logical_and(actions_B.le(high_BD)).all(1).logical_and(done_B.logical_not());
  const at::Tensor in_range_B = actions_B.ge(0).logical_and(actions_B.lt(num_actions));
  const at::Tensor safe_B = actions_B.clamp(0, num_actions - 1);
  const at::Tensor is_stop_B = StopMask(*this, done_B.device()).index_select(0, safe_B);

  at::Tensor inner_B = is_stop_B.logical_not();
  if (vocabulary_A.defined()) inner_B = inner_B.logical_and(vocabulary_A.index_select(0, safe_B));
  if (mask_BA.defined()) inner_B = inner_B.logical_and(mask_BA.gather(1, safe_B.unsqueeze(1)).squeeze(1));
  if (inner_legal_B.defined()) inner_B = inner_B.logical_and(inner_legal_B);

  at::Tensor legal_B =
      stop_legal_B.defined() ? inner_B.logical_or(is_stop_B.logical_and(stop_legal_B)) : inner_B.logical_or(is_stop_B);
  if (forced_B.defined()) legal_B = at::where(forced_B.ge(0), actions_B.eq(forced_B), legal_B);
  return legal_B.logical_and(in_range_B).logical_and(done_B.logical_not());
}

at::Tensor Support::CountLegal() const { return Dense().sum(1); }

at::Tensor Support::LogProbs(const at::Tensor& logits_BA) const {
  GFN_CHECK(logits_BA.dim() == 2 && logits_BA.size(0) == batch_size() && logits_BA.size(1) == num_actions)
      << "logits must be [" << batch_size() << ", " << num_actions << "], they are " << logits_BA.sizes();
  const at::Tensor legal_BA = Dense();
  // A finished row has nothing legal: it is computed as if everything were, and then masked.
  const at::Tensor log_probs_BA = MaskedLogSoftmax(logits_BA, legal_BA.logical_or(done_B.unsqueeze(1)));
  return log_probs_BA.masked_fill(legal_BA.logical_not(), -INFINITY);
}

Support Support::Gather(const at::Tensor& rows_N) const {
  Support result = *this;
  for (at::Tensor* tensor : {&result.stop_legal_B, &result.inner_legal_B, &result.forced_B, &result.mask_BA, &result.done_B,
                             &result.low_BD, &result.high_BD}) {
    if (tensor->defined()) *tensor = tensor->index_select(0, rows_N);
  }
  return result;
}

}  // namespace gfn
