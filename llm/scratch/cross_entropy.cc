#include "llm/scratch/cross_entropy.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

class CrossEntropyFunction : public torch::autograd::Function<CrossEntropyFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& hidden_NW, const at::Tensor& weight_VW,
                            const at::Tensor& targets_N, double scale, int64_t chunk_rows, bool with_grad) {
    at::Tensor d_hidden_NW, d_weight_VW;
    if (with_grad) {
      d_hidden_NW = at::empty_like(hidden_NW);
      d_weight_VW = at::zeros_like(weight_VW);
    }
    at::Tensor loss = at::zeros({}, hidden_NW.options());
    for (int64_t begin = 0; begin < hidden_NW.size(0); begin += chunk_rows) {
      const int64_t count = std::min(chunk_rows, hidden_NW.size(0) - begin);
      const at::Tensor hidden_CW = hidden_NW.narrow(0, begin, count);
      const at::Tensor target_C1 = targets_N.narrow(0, begin, count).unsqueeze(1);
      const at::Tensor counts_C1 = target_C1.ne(kNoTarget).to(hidden_NW.scalar_type()), index_C1 = target_C1.clamp_min(0);
      at::Tensor values_CV = hidden_CW.matmul(weight_VW.t()).mul_(scale);
      const at::Tensor log_norm_C1 = values_CV.logsumexp(-1, true);
      loss += ((log_norm_C1 - values_CV.gather(1, index_C1)) * counts_C1).sum();
      if (!with_grad) continue;
      // d loss / d logits = softmax - one-hot, in the memory of the logits.
      values_CV.sub_(log_norm_C1).exp_().scatter_add_(1, index_C1, at::full_like(counts_C1, -1)).mul_(counts_C1 * scale);
      d_hidden_NW.narrow(0, begin, count).copy_(values_CV.matmul(weight_VW));
      d_weight_VW.addmm_(values_CV.t(), hidden_CW);
    }
    if (with_grad) context->save_for_backward({d_hidden_NW, d_weight_VW});
    return loss;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    return {saved[0] * grads[0], saved[1] * grads[0], {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor ChunkedCrossEntropy(const at::Tensor& hidden_NW, const at::Tensor& weight_VW, const at::Tensor& targets_N,
                               double scale, int64_t chunk_rows) {
  GFN_CHECK(chunk_rows > 0) << "chunk_rows is " << chunk_rows;
  GFN_CHECK(hidden_NW.dim() == 2 && targets_N.sizes() == hidden_NW.sizes().slice(0, 1))
      << "hidden " << hidden_NW.sizes() << ", targets " << targets_N.sizes();
  GFN_CHECK(targets_N.numel() == 0 ||
            (targets_N.min().item<int64_t>() >= kNoTarget && targets_N.max().item<int64_t>() < weight_VW.size(0)))
      << "targets lie in 0 .. " << weight_VW.size(0) - 1;
  const bool with_grad = at::GradMode::is_enabled() && (hidden_NW.requires_grad() || weight_VW.requires_grad());
  return CrossEntropyFunction::apply(hidden_NW, weight_VW, targets_N, scale, chunk_rows, with_grad);
}

}  // namespace gfn
