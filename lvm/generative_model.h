// A model p(x, z) with parameters that are learned: z is the object that a GFlowNet builds under the condition x (Hu et al.
// 2302.06576). The EM driver asks it for densities, for samples, and for nothing else.
// Shapes: B rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

class GenerativeModel {
 public:
  virtual ~GenerativeModel() = default;

  // Its own, apart from the sampler's. A change of their values raises the set's version.
  virtual ParameterSet& parameters() = 0;
  // log p(x, z) in nats of each row's condition and finished object, float64 [B], differentiable in the parameters.
  virtual StatusOr<at::Tensor> LogJoint(const TrajectoryBatch& batch) const = 0;
  // Can (z, x) be drawn together? Without it there is no sleep phase.
  virtual bool HasJointSamples() const { return true; }
  // Draws of (z, x) from the model, as finished trajectories under conditions that the environment, the policy and the reward
  // know until the next call.
  virtual StatusOr<TrajectoryBatch> SampleJoint(int64_t num, const RngKey& key) = 0;
  // Where the weighted mean of log p(x, z) has its maximum in closed form: the parameters go the share `rate` of the way there.
  virtual bool HasClosedForm() const { return false; }
  virtual Status Maximise(const TrajectoryBatch& weighted, double rate);
  // Everything that decides log p(x, z) but the parameters, as text.
  virtual std::string Digest() const = 0;
};

// log R(z | x) = log p(x, z), at least `floor`: far from the data the joint density is so small that its differences say nothing
// but dominate every squared loss. The posterior then is exact where p(x, z) is above the floor. Rewards that were stored before
// a change of the parameters are stale (Trainer::RewardChanged). The model must outlive this object.
class ModelReward : public Reward {
 public:
  explicit ModelReward(const GenerativeModel& model, double floor = -1e300) : model_(model), floor_(floor) {}
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override;
  std::string Digest() const override;

 private:
  const GenerativeModel& model_;
  double floor_;
};

}  // namespace gfn
