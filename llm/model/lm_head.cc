#include "llm/model/lm_head.h"

#include <torch/csrc/autograd/custom_function.h>

#include "gflownet/base/check.h"
#include "llm/kernels/lm_head.h"

namespace gfn {
namespace {

struct HeadPass : torch::CustomClassHolder {
  const FrozenMatrix* head = nullptr;
  HeadQuery query;
};

// Rows of logits that exist at one time where there is no fused kernel.
constexpr int64_t kChunkRows = 256;

LmHeadQuery KernelQuery(const HeadQuery& query) {
  return {query.targets.data(), query.stop_ids.data(), static_cast<int64_t>(query.stop_ids.size()),
          query.legal_V.defined() ? query.legal_V.const_data_ptr<uint8_t>() : nullptr};
}

at::Tensor ToTensor(const std::vector<int64_t>& values, at::Device device) {
  at::Tensor out = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<int64_t>());
  return out.to(device);
}

// The ATen form for rows [begin, begin + count).
HeadScores ChunkScores(const HeadPass& pass, const at::Tensor& hidden, int64_t begin, int64_t count) {
  const at::Tensor logits = pass.head->Apply(hidden.narrow(0, begin, count));
  const at::Tensor target = ToTensor(pass.query.targets, logits.device()).narrow(0, begin, count).unsqueeze(1);
  HeadScores out;
  out.logit_target_R = at::where(target.ge(0), logits.gather(1, target.clamp_min(0)), at::zeros({}, logits.options())).squeeze(1);
  out.logit_stop_RS = logits.index_select(1, ToTensor(pass.query.stop_ids, logits.device()));
  out.log_norm_R = at::logsumexp(
      pass.query.legal_V.defined() ? logits.masked_fill(pass.query.legal_V.to(logits.device()).eq(0), -INFINITY) : logits, -1);
  return out;
}

// d hidden of the ATen form for one chunk, from the gradients of its three outputs.
at::Tensor ChunkBackward(const HeadPass& pass, const at::Tensor& hidden, const at::Tensor& log_norm, int64_t begin, int64_t count,
                         const torch::autograd::variable_list& grads) {
  at::Tensor d_logits = pass.head->Apply(hidden.narrow(0, begin, count));
  if (pass.query.legal_V.defined()) d_logits.masked_fill_(pass.query.legal_V.to(d_logits.device()).eq(0), -INFINITY);
  d_logits =
      (d_logits - log_norm.narrow(0, begin, count).unsqueeze(1)).exp_().mul_(grads[2].narrow(0, begin, count).unsqueeze(1));
  const at::Tensor target = ToTensor(pass.query.targets, d_logits.device()).narrow(0, begin, count).unsqueeze(1);
  d_logits.scatter_add_(1, target.clamp_min(0), grads[0].narrow(0, begin, count).unsqueeze(1) * target.ge(0));
  d_logits.index_add_(1, ToTensor(pass.query.stop_ids, d_logits.device()), grads[1].narrow(0, begin, count));
  return pass.head->ApplyTransposed(d_logits);
}

class HeadFunction : public torch::autograd::Function<HeadFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const at::Tensor& hidden_in,
                                                const c10::intrusive_ptr<HeadPass>& pass) {
    const at::Tensor hidden = hidden_in.contiguous();
    const int64_t R = hidden.size(0), S = static_cast<int64_t>(pass->query.stop_ids.size());
    HeadScores out = {at::zeros({R}, hidden.options()), at::zeros({R, S}, hidden.options()), at::zeros({R}, hidden.options())};
    if (pass->head->packed() != nullptr) {
      LmHeadForward(*pass->head->packed(), hidden.const_data_ptr<float>(), R, hidden.size(1), KernelQuery(pass->query),
                    {out.logit_target_R.mutable_data_ptr<float>(), out.logit_stop_RS.mutable_data_ptr<float>(),
                     out.log_norm_R.mutable_data_ptr<float>()});
    } else {
      for (int64_t begin = 0; begin < R; begin += kChunkRows) {
        const int64_t count = std::min(kChunkRows, R - begin);
        const HeadScores chunk = ChunkScores(*pass, hidden, begin, count);
        out.logit_target_R.narrow(0, begin, count).copy_(chunk.logit_target_R);
        out.logit_stop_RS.narrow(0, begin, count).copy_(chunk.logit_stop_RS);
        out.log_norm_R.narrow(0, begin, count).copy_(chunk.log_norm_R);
      }
    }
    ctx->save_for_backward({hidden, out.log_norm_R});
    ctx->saved_data["pass"] = c10::IValue::make_capsule(pass);
    return {out.logit_target_R, out.logit_stop_RS, out.log_norm_R};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &hidden = saved[0], &log_norm = saved[1];
    const auto pass = c10::static_intrusive_pointer_cast<HeadPass>(ctx->saved_data["pass"].toCapsule());
    for (at::Tensor& grad : grads) grad = grad.contiguous();
    at::Tensor d_hidden = at::zeros_like(hidden);
    const int64_t R = hidden.size(0);
    if (pass->head->packed() != nullptr) {
      LmHeadBackward(*pass->head->packed(), hidden.const_data_ptr<float>(), R, hidden.size(1), KernelQuery(pass->query),
                     log_norm.const_data_ptr<float>(),
                     {grads[0].const_data_ptr<float>(), grads[1].const_data_ptr<float>(), grads[2].const_data_ptr<float>()},
                     d_hidden.mutable_data_ptr<float>(), hidden.size(1));
    } else {
      for (int64_t begin = 0; begin < R; begin += kChunkRows) {
        const int64_t count = std::min(kChunkRows, R - begin);
        d_hidden.narrow(0, begin, count).copy_(ChunkBackward(*pass, hidden, log_norm, begin, count, grads));
      }
    }
    return {d_hidden, at::Tensor()};
  }
};

}  // namespace

HeadScores ScoreHead(const LanguageModel& model, const at::Tensor& hidden_RC, const HeadQuery& query) {
  GFN_CHECK_EQ(static_cast<int64_t>(query.targets.size()), hidden_RC.size(0));
  GFN_CHECK(!query.legal_V.defined() ||
            (query.legal_V.scalar_type() == at::kByte && query.legal_V.numel() == model.config().vocab_size));
  auto pass = c10::make_intrusive<HeadPass>();
  pass->head = &model.head();
  pass->query = query;
  const auto out = HeadFunction::apply(model.HeadInput(hidden_RC), pass);
  return {out[0], out[1], out[2]};
}

}  // namespace gfn
