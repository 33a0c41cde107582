#include "lvm/mixture/mixture_model.h"

#include <array>
#include <charconv>
#include <cmath>
#include <numbers>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/condition_column.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

// M points on a circle, the first at half a step from the x axis.
at::Tensor PointsOnCircle(int64_t num, double radius) {
  std::vector<double> points;
  for (int64_t k = 0; k < num; ++k) {
    const double angle = 2 * std::numbers::pi * (static_cast<double>(k) + 0.5) / static_cast<double>(num);
    points.push_back(radius * std::cos(angle));
    points.push_back(radius * std::sin(angle));
  }
  return at::tensor(points, at::kDouble).view({num, 2});
}

// Both coordinates in the shortest form that reads back to the same number, so that a condition can be shown.
std::string Canonical(const double* point) {
  std::array<char, 80> text;
  char* end = std::to_chars(text.begin(), text.end(), point[0]).ptr;
  *end++ = ',';
  *end++ = ' ';
  end = std::to_chars(end, text.end(), point[1]).ptr;
  return {text.data(), end};
}

struct Draws {
  at::Tensor codes_B2;   // int64
  at::Tensor points_B2;  // float64
};

Draws Draw(const at::Tensor& means_M2, double sigma, int64_t num, const RngKey& key) {
  const int64_t groups = means_M2.size(0);
  std::vector<int64_t> codes;
  for (int64_t n = 0; n < num; ++n) {
    for (const uint64_t place : {0, 1}) codes.push_back(UniformInt(key, static_cast<uint64_t>(n), place, groups));
  }
  Draws draws;
  draws.codes_B2 = at::tensor(codes, at::kLong).view({num, 2});
  const at::Tensor noise_B2 = NormalTensor({MixBits(key.seed + 1), key.purpose, key.step}, {num, 2}, at::kDouble, 1);
  draws.points_B2 = means_M2.detach().index_select(0, draws.codes_B2.select(1, 0)) +
                    PointsOnCircle(groups, 1).index_select(0, draws.codes_B2.select(1, 1)) + sigma * noise_B2;
  return draws;
}

}  // namespace

MixtureModel::MixtureModel(double sigma, int64_t num_groups)
    : sigma_(sigma), world_("mixture", 2, num_groups), petals_P2_(PointsOnCircle(num_groups, 1)) {}

StatusOr<std::unique_ptr<MixtureModel>> MixtureModel::Create(double sigma, const at::Tensor& data_C2,
                                                             const at::Tensor& means_M2) {
  std::unique_ptr<MixtureModel> model(new MixtureModel(sigma, means_M2.size(0)));
  const at::Tensor points = data_C2.contiguous();
  std::vector<int64_t> distinct;
  for (int64_t row = 0; row < points.size(0); ++row) {
    const int64_t before = model->conditions_.size();
    RETURN_IF_ERROR(model->conditions_.Insert(Canonical(points.const_data_ptr<double>() + 2 * row)).status());
    if (model->conditions_.size() > before) distinct.push_back(row);
  }
  if (distinct.empty()) return InvalidArgument("a mixture needs at least one point");
  model->data_C2_ = points.index_select(0, at::tensor(distinct, at::kLong));
  model->dream_D2_ = at::empty({0, 2}, at::kDouble);
  model->means_M2_ = model->parameters_.Add("means", "means", means_M2.clone());
  model->rows_.SetData(model->conditions_.ids());
  return model;
}

at::Tensor MixtureModel::PointsOf(const std::vector<ConditionId>& conditions_B) const {
  return at::cat({data_C2_, dream_D2_}).index_select(0, rows_.Of(ConditionColumn(conditions_B)));
}

at::Tensor MixtureModel::PointsOf(const State& state) const {
  return at::cat({data_C2_, dream_D2_}).index_select(0, rows_.Of(state.Get("condition")));
}

at::Tensor MixtureModel::LogDensity(const at::Tensor& difference_B2) const {
  const double variance = sigma_ * sigma_, groups = static_cast<double>(num_groups());
  return difference_B2.square().sum(-1) / (-2 * variance) - std::log(2 * std::numbers::pi * variance * groups * groups);
}

StatusOr<at::Tensor> MixtureModel::LogJoint(const TrajectoryBatch& batch) const {
  const at::Tensor center_B2 =
      means_M2_.index_select(0, batch.actions_BT.select(1, 0)) + petals_P2_.index_select(0, batch.actions_BT.select(1, 1));
  return LogDensity(PointsOf(batch.condition_ids) - center_B2);
}

at::Tensor MixtureModel::LogJointTable(const at::Tensor& means_M2) const {
  const at::NoGradGuard no_grad;
  const at::Tensor centers_X2 = (means_M2.unsqueeze(1) + petals_P2_.unsqueeze(0)).view({-1, 2});
  return LogDensity(data_C2_.unsqueeze(1) - centers_X2.unsqueeze(0));
}

StatusOr<TrajectoryBatch> MixtureModel::SampleJoint(int64_t num, const RngKey& key) {
  const Draws draws = Draw(means_M2_, sigma_, num, key);
  dream_D2_ = draws.points_B2.contiguous();
  std::vector<ConditionId> ids;
  for (int64_t n = 0; n < num; ++n) ids.push_back(HashCondition(Canonical(dream_D2_.const_data_ptr<double>() + 2 * n)));
  rows_.SetDream(ids);
  return world_.TrajectoriesTo(ids, draws.codes_B2);
}

Status MixtureModel::Maximise(const TrajectoryBatch& weighted, double rate) {
  const at::NoGradGuard no_grad;
  const at::Tensor group_B = weighted.actions_BT.select(1, 0);
  const at::Tensor wanted_B2 = PointsOf(weighted.condition_ids) - petals_P2_.index_select(0, weighted.actions_BT.select(1, 1));
  const at::Tensor weight_B =
      weighted.weight_B.defined() ? weighted.weight_B.to(at::kDouble) : at::ones({weighted.size()}, at::kDouble);
  const at::Tensor total_M = at::zeros({num_groups()}, at::kDouble).index_add(0, group_B, weight_B);
  const at::Tensor sum_M2 = at::zeros({num_groups(), 2}, at::kDouble).index_add(0, group_B, wanted_B2 * weight_B.unsqueeze(1));
  // A group without any point stays where it is.
  const at::Tensor best_M2 = sum_M2 / total_M.clamp_min(1e-8).unsqueeze(1);
  const at::Tensor next_M2 = means_M2_ + rate * (best_M2 - means_M2_);
  at::Tensor(means_M2_).copy_(at::where(total_M.gt(1e-8).unsqueeze(1), next_M2, means_M2_));
  parameters_.RaiseVersion();
  return OkStatus();
}

at::Tensor MixtureModel::Features(const State& state) const {
  return at::cat({PointsOf(state).to(at::kFloat), world_.Features(state)}, 1);
}

std::string MixtureModel::Digest() const {
  return "mixture groups=" + std::to_string(num_groups()) + " sigma=" + FormatReal(sigma_);
}

at::Tensor MixtureModel::TrueMeans(int64_t num_groups) { return PointsOnCircle(num_groups, 2); }

at::Tensor MixtureModel::Simulate(const at::Tensor& means_M2, double sigma, int64_t num, uint64_t seed) {
  return Draw(means_M2, sigma, num, {seed, RngPurpose::kData, 0}).points_B2;
}

}  // namespace gfn
