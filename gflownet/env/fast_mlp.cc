#include "gflownet/env/fast_mlp.h"

#include <torch/csrc/autograd/custom_function.h>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

const float* Data(const at::Tensor& parameter) { return parameter.const_data_ptr<float>(); }

// The scores in the order in which the graph's node returns them.
std::vector<at::Tensor*> Fields(TrajectoryScores& scores) {
  return {&scores.log_pf_BT, &scores.log_pb_BT, &scores.log_stop_BT, &scores.log_flow_BT};
}

}  // namespace

// A session that goes step by step by another, and offers whole rollouts beside.
class FastMlp::Session : public RolloutSession {
 public:
  Session(const FastMlp& mlp, std::unique_ptr<RolloutSession> steps) : mlp_(mlp), steps_(std::move(steps)) {}
  at::Tensor Logits(const State& state) override { return steps_->Logits(state); }
  at::Tensor Fingerprints() override { return steps_->Fingerprints(); }
  void Advance(const at::Tensor& actions_N) override { steps_->Advance(actions_N); }
  void Keep(const at::Tensor& rows_M) override { steps_->Keep(rows_M); }
  std::optional<StatusOr<WholeRollout>> SampleWhole(const std::vector<RolloutRow>& rows_B, const RngKey& key) override {
    for (const RolloutRow& row : rows_B) {
      if (!row.exploration.IsOnPolicy() || !row.prefix.empty()) return std::nullopt;
    }
    return mlp_.Sample(rows_B, key);
  }

 private:
  const FastMlp& mlp_;
  std::unique_ptr<RolloutSession> steps_;
};

// Tensors that pass through a node as values.
struct Values {
  torch::autograd::variable_list tensors;
};

// What the graph keeps of one scored batch.
struct FastMlp::Node : torch::CustomClassHolder {
  std::unique_ptr<FastPass> pass;
  std::shared_ptr<Pool> pool;
  TrajectoryBatch batch;
  std::vector<bool> has;  // which of Fields were returned; not the tensors, which own the node
  int64_t depth = 0;

  class Function : public torch::autograd::Function<Function> {
   public:
    static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, at::TensorList parameters,
                                                  const c10::intrusive_ptr<Node>& node, const Values& scores) {
      ctx->save_for_backward(parameters.vec());
      ctx->set_materialize_grads(false);
      ctx->saved_data["node"] = c10::IValue::make_capsule(node);
      return scores.tensors;
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
      const auto node = c10::static_intrusive_pointer_cast<Node>(ctx->saved_data["node"].toCapsule());
      GFN_CHECK(node->pass != nullptr) << "the activations of this pass are used up: a graph goes back once";
      TrajectoryScores gradients;
      size_t next = 0;
      const std::vector<at::Tensor*> fields = Fields(gradients);
      for (size_t i = 0; i < fields.size(); ++i) {
        if (node->has[i]) *fields[i] = grads[next++];
      }
      torch::autograd::variable_list result;
      MlpGradients out;
      const torch::autograd::variable_list parameters = ctx->get_saved_variables();
      for (size_t i = 0; i < parameters.size(); i += 2) {
        result.push_back(at::empty_like(parameters[i]));
        result.push_back(at::empty_like(parameters[i + 1]));
        auto& layers = static_cast<int64_t>(i) < 2 * node->depth ? out.hidden : out.heads;
        layers.push_back({result[i].mutable_data_ptr<float>(), result[i + 1].mutable_data_ptr<float>(), parameters[i].size(0)});
      }
      node->pass->Backward(node->batch, gradients, out);
      Return(*node->pool, std::move(node->pass));
      result.emplace_back();  // of the node
      result.emplace_back();  // and of the scores, which are values here
      return result;
    }
  };
};

FastMlp::FastMlp(const Environment& environment, const FastWorld& world, const ParameterSet& parameters, int64_t depth,
                 FastHeads heads)
    : environment_(environment),
      world_(world),
      parameters_(parameters),
      heads_(heads),
      depth_(depth),
      pool_(std::make_shared<Pool>()) {
  const auto add = [&](std::vector<at::Tensor>& to, const std::string& name) {
    to.push_back(parameters.Get(name + ".weight"));
    to.push_back(parameters.Get(name + ".bias"));
  };
  for (int64_t l = 0; l < depth; ++l) add(hidden_, "mlp." + std::to_string(l));
  add(head_tensors_, "forward");
  if (heads.backward) add(head_tensors_, "backward");
  if (heads.flow) add(head_tensors_, "flow");
}

MlpLayers FastMlp::Layers() const {
  MlpLayers layers;
  const auto add = [](const std::vector<at::Tensor>& tensors, std::vector<DenseLayer>& to) {
    for (size_t i = 0; i < tensors.size(); i += 2) {
      to.push_back({Data(tensors[i]), Data(tensors[i + 1]), tensors[i].size(1), tensors[i].size(0)});
    }
  };
  add(hidden_, layers.hidden);
  add(head_tensors_, layers.heads);
  return layers;
}

// Raised by optimiser steps and loads (the set's version) and by changes through tensor operations (the tensors' own).
uint64_t FastMlp::Version() const {
  uint64_t version = parameters_.version() << 32;
  for (const at::Tensor& tensor : hidden_) version += tensor._version();
  for (const at::Tensor& tensor : head_tensors_) version += tensor._version();
  return version;
}

std::unique_ptr<FastPass> FastMlp::NewPass() const {
  std::unique_ptr<FastPass> pass;
  {
    const std::lock_guard lock(pool_->mutex);
    if (!pool_->spare.empty()) {
      pass = std::move(pool_->spare.back());
      pool_->spare.pop_back();
    }
  }
  if (pass == nullptr) pass = std::make_unique<FastPass>(environment_, world_, heads_);
  pass->SetWeights(Layers());
  return pass;
}

void FastMlp::Return(Pool& pool, std::unique_ptr<FastPass> pass) {
  constexpr size_t kMostSpare = 2;
  const std::lock_guard lock(pool.mutex);
  if (pool.spare.size() < kMostSpare) pool.spare.push_back(std::move(pass));
}

std::unique_ptr<RolloutSession> FastMlp::StartRollout(std::unique_ptr<RolloutSession> steps) const {
  return std::make_unique<Session>(*this, std::move(steps));
}

bool FastMlp::CanScore(Needs needs) const {
  return (Needs(Need::kLogPf) | Need::kLogPb | Need::kLogStop | Need::kLogFlow).Covers(needs);
}

StatusOr<WholeRollout> FastMlp::Sample(const std::vector<RolloutRow>& rows_B, const RngKey& key) const {
  std::unique_ptr<FastPass> pass = NewPass();
  WholeRollout rollout;
  ASSIGN_OR_RETURN(rollout.batch, pass->Sample(rows_B, key));
  rollout.log_q_BT = pass->Scores(rollout.batch, Need::kLogPf).log_pf_BT;
  const std::lock_guard lock(mutex_);
  if (sampled_ != nullptr) Return(*pool_, std::move(sampled_));
  sampled_ = std::move(pass);
  sampled_version_ = Version();
  return rollout;
}

TrajectoryScores FastMlp::Score(const TrajectoryBatch& batch, const ScoreOptions& options) const {
  std::unique_ptr<FastPass> pass;
  {
    const std::lock_guard lock(mutex_);
    if (sampled_ != nullptr && sampled_version_ == Version() && sampled_->Holds(batch)) pass = std::move(sampled_);
  }
  if (pass == nullptr) {
    pass = NewPass();
    pass->Follow(batch);
  }
  TrajectoryScores scores = pass->Scores(batch, options.needs);
  {
    const std::lock_guard lock(pool_->mutex);
    pool_->counts = pass->Counts();
  }
  if (options.with_grad) {
    const auto node = c10::make_intrusive<Node>();
    node->pass = std::move(pass);
    node->pool = pool_;
    node->batch = batch;
    node->depth = depth_;
    torch::autograd::variable_list values;
    for (const at::Tensor* field : Fields(scores)) {
      node->has.push_back(field->defined());
      if (field->defined()) values.push_back(*field);
    }
    std::vector<at::Tensor> parameters = hidden_;
    parameters.insert(parameters.end(), head_tensors_.begin(), head_tensors_.end());
    const at::AutoGradMode grad_mode(true);
    const torch::autograd::variable_list out = Node::Function::apply(at::TensorList(parameters), node, Values{std::move(values)});
    size_t next = 0;
    for (at::Tensor* field : Fields(scores)) {
      if (field->defined()) *field = out[next++];
    }
  } else {
    Return(*pool_, std::move(pass));
  }
  SetGroups(batch, at::kCPU, scores);
  return scores;
}

FastCounts FastMlp::last_counts() const {
  const std::lock_guard lock(pool_->mutex);
  return pool_->counts;
}

}  // namespace gfn
