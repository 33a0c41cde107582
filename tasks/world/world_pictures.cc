#include <algorithm>
#include <cmath>

#include "tasks/world/world_report.h"

namespace gfn {
namespace {

using nlohmann::json;

constexpr int64_t kMostCells = 128 * 128, kMostBars = 24, kMostConditions = 12;

json ListOf(const at::Tensor& values) {
  const at::Tensor flat = values.to(at::kDouble).contiguous();
  json list = json::array();
  for (int64_t i = 0; i < flat.numel(); ++i) list.push_back(FiniteOrNull(flat.data_ptr<double>()[i]));
  return list;
}

// At most `most` of them, evenly spread over their numbers.
at::Tensor Spread(int64_t count, int64_t most) {
  if (count <= most) return at::arange(count, at::kLong);
  return (at::arange(most, at::kLong) * count).div(most, "floor");
}

// The likeliest objects of the target, by name.
json Bars(const World& world, const ExactTruth& truth, const at::Tensor& p_X, const at::Tensor& q_X) {
  const at::Tensor best_K = p_X.argsort(0, true).slice(0, 0, std::min(kMostBars, p_X.numel()));
  const State objects = truth.ObjectsAt(best_K);
  json names = json::array();
  for (int64_t row = 0; row < best_K.numel(); ++row) names.push_back(world.environment->Format(objects, row));
  return {{"names", names},
          {"true", ListOf(p_X.index_select(0, best_K))},
          {"learned", ListOf(q_X.index_select(0, best_K))},
          {"objects", p_X.numel()}};
}

// Target and learned distribution of one condition.
json Distribution(const World& world, const ExactTruth& truth, const ExactResult& exact, double temperature) {
  const at::Tensor p_X = (exact.log_reward_X / temperature - exact.error.log_z).exp(), q_X = exact.log_q_X.exp();
  if (world.picture_shape.size() != 2 || p_X.numel() > kMostCells) return {{"bars", Bars(world, truth, p_X, q_X)}};
  return {
      {"grid",
       {{"rows", world.picture_shape[0]}, {"columns", world.picture_shape[1]}, {"true", ListOf(p_X)}, {"learned", ListOf(q_X)}}}};
}

}  // namespace

json WorldConditions(const World& world, const WorldMeasurement& measurement) {
  json conditions = json::array();
  for (size_t i = 0; i < measurement.sampled.size(); ++i) {
    const SampledError& sampled = measurement.sampled[i].error;
    json condition = {{"condition", world.conditions.Content(world.conditions.ids()[i])},
                      {"elbo", FiniteOrNull(sampled.elbo)},
                      {"iw_bound", FiniteOrNull(sampled.iw_bound)},
                      {"ess", FiniteOrNull(sampled.ess)},
                      {"spread", FiniteOrNull(sampled.spread)}};
    if (!measurement.exact.empty()) {
      const DistributionError& error = measurement.exact[i].error;
      condition["total_variation"] = FiniteOrNull(error.total_variation);
      condition["jensen_shannon"] = FiniteOrNull(error.jensen_shannon);
      condition["exact_log_z"] = FiniteOrNull(error.log_z);
    }
    conditions.push_back(std::move(condition));
  }
  return conditions;
}

json WorldPictures(const World& world, const std::vector<ExactTruth>& truth, const WorldMeasurement& measurement,
                   double temperature) {
  json pictures = json::object();
  const bool exact = !measurement.exact.empty(), several = measurement.sampled.size() > 1;
  if (exact) {
    const at::Tensor shown = Spread(static_cast<int64_t>(measurement.exact.size()), kMostConditions);
    for (int64_t k = 0; k < shown.numel(); ++k) {
      const size_t i = static_cast<size_t>(shown[k].item<int64_t>());
      json picture = Distribution(world, truth[i], measurement.exact[i], temperature);
      if (several) picture["condition"] = world.conditions.Content(world.conditions.ids()[i]);
      pictures["distributions"].push_back(std::move(picture));
    }
  }
  if (measurement.front.has_value()) {
    pictures["front"] = {{"true", world.true_front}, {"found", measurement.front->found}};
  }
  // Conditions differ in their log Z, so it is taken off where several share a picture.
  std::vector<at::Tensor> log_q, log_r;
  double log_z = 0;
  for (size_t i = 0; i < measurement.sampled.size(); ++i) {
    const SampledResult& sampled = measurement.sampled[i];
    log_z = exact ? measurement.exact[i].error.log_z : sampled.error.iw_bound;
    log_q.push_back(exact ? measurement.exact[i].log_q_X : sampled.samples.log_pf_B - sampled.samples.log_pb_B);
    const at::Tensor log_reward = exact ? measurement.exact[i].log_reward_X : sampled.samples.batch.log_reward_B;
    log_r.push_back(log_reward / temperature - (several ? log_z : 0));
  }
  const at::Tensor all_q = at::cat(log_q), all_r = at::cat(log_r), points = Spread(all_q.numel(), kMostPoints);
  pictures["calibration"] = {{"log_q", ListOf(all_q.index_select(0, points))},
                             {"log_reward", ListOf(all_r.index_select(0, points))},
                             {"log_z", FiniteOrNull(several ? 0 : log_z)},
                             {"less_log_z", several},
                             {"exact", exact}};
  return pictures;
}

}  // namespace gfn
