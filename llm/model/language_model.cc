#include "llm/model/language_model.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include "gflownet/base/check.h"
#include "llm/model/kv_cache.h"
#include "llm/model/packed_adapter.h"
#include "llm/model/transformer.h"

namespace gfn {
namespace {

// The tape and the forest of one differentiable pass, kept alive by the autograd node.
struct Pass {
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
class StackNode : public torch::autograd::Node {
 public:
  explicit StackNode(std::unique_ptr<Pass> pass) : pass_(std::move(pass)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& grads) override {
    GFN_CHECK(pass_ != nullptr) << "a forward pass is differentiated once";
    at::NoGradGuard no_grad;
    const std::unique_ptr<Pass> pass = std::move(pass_);
    return StackBackward(*pass->model, pass->adapter, pass->dropout_key, pass->tape, grads[0].contiguous());
  }
  void release_variables() override { pass_.reset(); }

 private:
  std::unique_ptr<Pass> pass_;
};

// The weights of a norm, kept alive by its autograd node.
struct NormPass : torch::CustomClassHolder {
  NormWeights norm;
};

// The final norm of a few rows, differentiable.
class NormFunction : public torch::autograd::Function<NormFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x_RC,
                            const c10::intrusive_ptr<NormPass>& pass) {
    ctx->save_for_backward({x_RC});
    ctx->saved_data["pass"] = c10::IValue::make_capsule(pass);
    return NormForward(pass->norm, x_RC);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const at::Tensor x_RC = ctx->get_saved_variables()[0];
    const auto pass = c10::static_intrusive_pointer_cast<NormPass>(ctx->saved_data["pass"].toCapsule());
    at::Tensor dx = at::zeros_like(x_RC);
    NormBackward(pass->norm, x_RC, grads[0].contiguous(), dx);
    return {dx, at::Tensor()};
  }
};

}  // namespace

at::Tensor LanguageModel::Forward(const PackedForest& forest, const std::vector<int64_t>& rows,
                                  const ForwardContext& context) const {
  if (!context.with_grad || context.adapter == nullptr) {
    at::NoGradGuard no_grad;
    const AttentionPlan plan = MakeAttentionPlan(forest, attention_dims(), device(), activation_type());
    const auto packed = context.adapter != nullptr ? PackedAdapter::Make(*this, *context.adapter) : nullptr;
    const at::Tensor last =
        StackForward(*this, Embed(forest), plan, {context.adapter, packed.get(), context.dropout_key}, nullptr, nullptr);
    return NormForward(final_norm_, SelectRows(last, rows));
  }
  auto pass = std::make_unique<Pass>();
  pass->model = this;
  pass->adapter = *context.adapter;
  pass->dropout_key = context.dropout_key;
  pass->forest = forest;
  pass->tape.plan = MakeAttentionPlan(pass->forest, attention_dims(), device(), activation_type());
  at::Tensor last;
  {
    at::NoGradGuard no_grad;
    const auto packed = PackedAdapter::Make(*this, pass->adapter);
    last = StackForward(*this, Embed(pass->forest), pass->tape.plan, {&pass->adapter, packed.get(), pass->dropout_key}, nullptr,
                        &pass->tape);
  }
  const std::shared_ptr<StackNode> node(new StackNode(std::move(pass)), torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(context.adapter->Tensors()));
  torch::autograd::set_history(last, node);
  auto norm_pass = c10::make_intrusive<NormPass>();
  norm_pass->norm = final_norm_;
  return NormFunction::apply(SelectRows(last, rows), norm_pass);
}

at::Tensor LanguageModel::ForwardCached(const PackedForest& forest, const std::vector<int64_t>& rows, const Adapter* adapter,
                                        KvCache& cache, const PackedAdapter* packed, const at::Tensor& tokens_N) const {
  at::NoGradGuard no_grad;
  const AttentionPlan plan = MakeAttentionPlan(forest, attention_dims(), device(), activation_type());
  std::shared_ptr<const PackedAdapter> own;
  if (adapter != nullptr && packed == nullptr) {
    own = PackedAdapter::Make(*this, *adapter);
    packed = own.get();
  }
  const at::Tensor last = StackForward(*this, Embed(forest, tokens_N), plan, {adapter, packed, std::nullopt}, &cache, nullptr);
  return NormForward(final_norm_, SelectRows(last, rows));
}

at::Tensor LanguageModel::Embed(const PackedForest& forest, const at::Tensor& tokens_N) const {
  const auto index = [](const std::vector<int32_t>& values) {
    at::Tensor ids = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
    std::copy(values.begin(), values.end(), ids.mutable_data_ptr<int64_t>());
    return ids;
  };
  at::Tensor x_NC = embedding_.Rows(tokens_N.defined() ? tokens_N : index(forest.token_ids)).to(device());
  if (config_.family().scaled_embedding) x_NC.mul_(std::sqrt(static_cast<double>(config_.hidden_size)));
  if (position_embedding_.defined()) x_NC = x_NC + position_embedding_.index_select(0, index(forest.positions).to(device()));
  return x_NC;
}

const Rotary* LanguageModel::rotary(int64_t layer) const {
  const LayerRope rope = config_.RopeOf(layer);
  if (rope == LayerRope::kNone || !rotary_.defined()) return nullptr;
  return rope == LayerRope::kLocal ? &local_rotary_ : &rotary_;
}

at::Tensor LanguageModel::HeadInput(const at::Tensor& hidden_RC) const {
  if (!config_.family().lm_head_bias) return hidden_RC;
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
