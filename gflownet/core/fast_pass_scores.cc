// What a pass says of the trajectories it walked, and the way back from there to the weights.
#include "gflownet/base/check.h"
#include "gflownet/core/fast_pass.h"
#include "gflownet/core/fast_pass_shard.h"
#include "gflownet/kernels/net_dispatch.h"

namespace gfn {
namespace {

// Element (row, k) of a float [B, T], or nowhere.
class MatrixView {
 public:
  MatrixView() = default;
  explicit MatrixView(at::Tensor& tensor) {
    if (!tensor.defined()) return;
    tensor = tensor.to(at::kFloat).contiguous();
    data_ = tensor.mutable_data_ptr<float>();
    stride_ = tensor.size(1);
  }
  bool defined() const { return data_ != nullptr; }
  float& At(int64_t row, int64_t k) const { return data_[row * stride_ + k]; }

 private:
  float* data_ = nullptr;
  int64_t stride_ = 0;
};

struct Matrices {
  explicit Matrices(TrajectoryScores& scores)
      : log_pf(scores.log_pf_BT), log_pb(scores.log_pb_BT), log_stop(scores.log_stop_BT), log_flow(scores.log_flow_BT) {}
  MatrixView log_pf, log_pb, log_stop, log_flow;
};

}  // namespace

TrajectoryScores FastPass::Scores(const TrajectoryBatch& batch, Needs needs) const {
  TrajectoryScores scores;
  const auto make = [&](Need need) {
    return needs.Has(need) ? at::zeros({batch.size(), batch.num_steps()}, at::kFloat) : at::Tensor();
  };
  scores.log_pf_BT = at::zeros({batch.size(), batch.num_steps()}, at::kFloat);
  scores.log_pb_BT = spec_.is_tree ? at::Tensor() : make(Need::kLogPb);
  scores.log_stop_BT = make(Need::kLogStop);
  scores.log_flow_BT = make(Need::kLogFlow);
  const Matrices out(scores);
  const int64_t flow = num_actions_ + (heads_.backward ? num_back_ : 0);
  ForEachShard([&](Shard& shard) {
    for (int64_t row = shard.begin; row < shard.end; ++row) {
      const FastTrack& track = shard.tracks[row - shard.begin];
      const int64_t last = track.actions.back();
      for (size_t k = 0; k < track.actions.size(); ++k) {
        const int32_t slot = track.slots[k], child = track.slots[k + 1];
        const float* logits = shard.rows.Outputs(slot);
        const float log_sum = shard.log_sum_forward[slot];
        out.log_pf.At(row, k) = logits[track.actions[k]] - log_sum;
        if (out.log_stop.defined() && track.stop_legal[k]) out.log_stop.At(row, k) = logits[last] - log_sum;
        if (out.log_flow.defined()) out.log_flow.At(row, k) = logits[flow];
        if (!out.log_pb.defined()) continue;
        out.log_pb.At(row, k) = heads_.backward && child >= 0
                                    ? shard.rows.Outputs(child)[num_actions_ + track.backward[k]] - shard.log_sum_backward[child]
                                    : track.log_uniform[k];
      }
    }
  });
  return scores;
}

void FastPass::Backward(const TrajectoryBatch& batch, const TrajectoryScores& gradients, const MlpGradients& out) {
  GFN_CHECK(num_rows_ > 0 && batch.size() == num_rows_) << "the activations of this pass are used up";
  TrajectoryScores given = gradients;
  const Matrices in(given);
  const int64_t flow = num_actions_ + (heads_.backward ? num_back_ : 0), used = flow + (heads_.flow ? 1 : 0);
  ForEachShard([&](Shard& shard) {
    const NetTable& kernels = NetKernels();
    const auto for_each_step = [&](auto function) {
      for (int64_t row = shard.begin; row < shard.end; ++row) {
        const FastTrack& track = shard.tracks[row - shard.begin];
        for (size_t k = 0; k < track.actions.size(); ++k) function(row, static_cast<int64_t>(k), track);
      }
    };
    const auto has_back = [&](const FastTrack& track, int64_t k) {
      return in.log_pb.defined() && heads_.backward && track.slots[k + 1] >= 0;
    };
    const auto has_stop = [&](const FastTrack& track, int64_t k) { return in.log_stop.defined() && track.stop_legal[k]; };

    // 1. The gradient of a log-softmax: every logit loses its probability times the sum over the picks of its state,
    shard.mass_forward.assign(shard.num_slots(), 0);
    shard.mass_backward.assign(shard.num_slots(), 0);
    for_each_step([&](int64_t row, int64_t k, const FastTrack& track) {
      if (in.log_pf.defined()) shard.mass_forward[track.slots[k]] += in.log_pf.At(row, k);
      if (has_stop(track, k)) shard.mass_forward[track.slots[k]] += in.log_stop.At(row, k);
      if (has_back(track, k)) shard.mass_backward[track.slots[k + 1]] += in.log_pb.At(row, k);
    });
    const auto lose = [&](float* logits, int64_t count, float log_sum, float mass) {
      // No pick: also where no action is legal, and the logits are of nothing.
      mass == 0 ? void(std::fill(logits, logits + count, 0.0f)) : kernels.softmax_gradient(logits, count, log_sum, mass);
    };
    for (int64_t slot = 0; slot < shard.num_slots(); ++slot) {
      float* logits = shard.rows.Outputs(slot);
      lose(logits, num_actions_, shard.log_sum_forward[slot], shard.mass_forward[slot]);
      if (heads_.backward) lose(logits + num_actions_, num_back_, shard.log_sum_backward[slot], shard.mass_backward[slot]);
      std::fill(logits + flow, logits + used, 0.0f);
    }
    // 2. and the picked ones gain.
    for_each_step([&](int64_t row, int64_t k, const FastTrack& track) {
      float* logits = shard.rows.Outputs(track.slots[k]);
      if (in.log_pf.defined()) logits[track.actions[k]] += in.log_pf.At(row, k);
      if (has_stop(track, k)) logits[track.actions.back()] += in.log_stop.At(row, k);
      if (in.log_flow.defined()) logits[flow] += in.log_flow.At(row, k);
      if (has_back(track, k)) shard.rows.Outputs(track.slots[k + 1])[num_actions_ + track.backward[k]] += in.log_pb.At(row, k);
    });
    // 3. Through the network.
    shard.rows.Backward(net_, shard.sums);
  });
  std::vector<MlpSums*> sums;
  for (int64_t i = 0; i < num_shards_; ++i) sums.push_back(&shards_[i]->sums);
  CollectGradients(net_, sums, out, num_threads_);
  num_rows_ = 0;
}

}  // namespace gfn
