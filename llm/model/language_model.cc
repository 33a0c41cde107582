#include "llm/model/language_model.h"

#include "gflownet/base/check.h"
#include "llm/model/kv_cache.h"
#include "llm/model/transformer.h"

namespace gfn {
namespace {

// The tape and the forest of one differentiable pass, kept alive by the autograd node.
struct Pass : torch::CustomClassHolder {
  const LanguageModel* model = nullptr;
  Adapter adapter;
  std::optional<RngKey> dropout_key;
  PackedForest forest;
  StackTape tape;
};

at::Tensor SelectRows(const at::Tensor& x_NC, const std::vector<int64_t>& rows) {
  at::Tensor index = at::empty({static_cast<int64_t>(rows.size())}, at::kLong);
  std::copy(rows.begin(), rows.end(), index.mutable_data_ptr<int64_t>());
  return x_NC.index_select(0, index.to(x_NC.device()));
}

// The whole stack as one autograd node: adapter tensors -> last hidden states.
class StackFunction : public torch::autograd::Function<StackFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, c10::intrusive_ptr<Pass> pass, const std::vector<at::Tensor>& parameters) {
    ctx->saved_data["pass"] = c10::IValue::make_capsule(pass);
    ctx->saved_data["count"] = static_cast<int64_t>(parameters.size());
    return StackForward(*pass->model, pass->forest, pass->tape.plan, &pass->adapter, pass->dropout_key, nullptr, &pass->tape);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    auto pass = c10::static_intrusive_pointer_cast<Pass>(ctx->saved_data["pass"].toCapsule());
    GFN_CHECK(!pass->tape.layers.empty()) << "a forward pass is differentiated once";
    torch::autograd::variable_list out = {at::Tensor()};  // the pass itself
    std::vector<at::Tensor> gradients =
        StackBackward(*pass->model, pass->adapter, pass->dropout_key, pass->tape, grads[0].contiguous());
    GFN_CHECK_EQ(static_cast<int64_t>(gradients.size()), ctx->saved_data["count"].toInt());
    pass->tape.layers.clear();
    out.insert(out.end(), gradients.begin(), gradients.end());
    return out;
  }
};

// The final norm of a few rows, differentiable.
class NormFunction : public torch::autograd::Function<NormFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x_RC, const at::Tensor& weight, const at::Tensor& bias,
                            double epsilon) {
    ctx->save_for_backward({x_RC, weight, bias});
    ctx->saved_data["epsilon"] = epsilon;
    return NormForward({weight, bias, epsilon}, x_RC);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    at::Tensor dx = at::zeros_like(saved[0]);
    NormBackward({saved[1], saved[2], ctx->saved_data["epsilon"].toDouble()}, saved[0], grads[0].contiguous(), dx);
    return {dx, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor LanguageModel::Forward(const PackedForest& forest, const std::vector<int64_t>& rows, const ForwardContext& context) const {
  if (!context.with_grad || context.adapter == nullptr) {
    at::NoGradGuard no_grad;
    const AttentionPlan plan = MakeAttentionPlan(forest, device(), activation_type());
    const at::Tensor last = StackForward(*this, forest, plan, context.adapter, context.dropout_key, nullptr, nullptr);
    return NormForward(final_norm_, SelectRows(last, rows));
  }
  auto pass = c10::make_intrusive<Pass>();
  pass->model = this;
  pass->adapter = *context.adapter;
  pass->dropout_key = context.dropout_key;
  pass->forest = forest;
  pass->tape.plan = MakeAttentionPlan(pass->forest, device(), activation_type());
  const at::Tensor last = StackFunction::apply(pass, context.adapter->Tensors());
  return NormFunction::apply(SelectRows(last, rows), final_norm_.weight_C, final_norm_.bias_C, final_norm_.epsilon);
}

at::Tensor LanguageModel::ForwardCached(const PackedForest& forest, const std::vector<int64_t>& rows, const Adapter* adapter,
                                        KvCache& cache) const {
  at::NoGradGuard no_grad;
  const AttentionPlan plan = MakeAttentionPlan(forest, device(), activation_type());
  const at::Tensor last = StackForward(*this, forest, plan, adapter, std::nullopt, &cache, nullptr);
  return NormForward(final_norm_, SelectRows(last, rows));
}

at::Tensor LanguageModel::Embed(const PackedForest& forest) const {
  at::Tensor ids = at::empty({forest.num_tokens()}, at::kLong);
  std::copy(forest.token_ids.begin(), forest.token_ids.end(), ids.mutable_data_ptr<int64_t>());
  at::Tensor x_NC = embedding_.Rows(ids).to(device());
  if (position_embedding_.defined()) {
    std::copy(forest.positions.begin(), forest.positions.end(), ids.mutable_data_ptr<int64_t>());
    x_NC = x_NC + position_embedding_.index_select(0, ids.to(device()));
  }
  return x_NC;
}

at::Tensor LanguageModel::HeadInput(const at::Tensor& hidden_RC) const {
  if (!config_.lm_head_bias) return hidden_RC;
  return at::cat({hidden_RC, at::ones({hidden_RC.size(0), 1}, hidden_RC.options())}, 1);
}

at::Tensor LanguageModel::Logits(const at::Tensor& hidden_RC) const {
  at::NoGradGuard no_grad;
  return head().Apply(HeadInput(hidden_RC));
}

int64_t LanguageModel::bytes() const {
  int64_t total = embedding_.bytes() + (tied_head_ ? 0 : head_.bytes());
  for (const Layer& layer : layers_) {
    for (const FrozenMatrix& matrix : layer.matrices) total += matrix.bytes();
  }
  return total + (position_embedding_.defined() ? static_cast<int64_t>(position_embedding_.nbytes()) : 0);
}

}  // namespace gfn
