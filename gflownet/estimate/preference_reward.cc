#include "gflownet/estimate/preference_reward.h"

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"

namespace gfn {

at::Tensor Scalarise(const at::Tensor& log_rewards_BM, const Point& preference, Scalarisation scalarisation) {
  GFN_CHECK_EQ(log_rewards_BM.size(1), static_cast<int64_t>(preference.size()));
  std::vector<int64_t> used;
  std::vector<double> weights;
  for (size_t i = 0; i < preference.size(); ++i) {
    if (preference[i] <= 0) continue;
    used.push_back(static_cast<int64_t>(i));
    weights.push_back(preference[i]);
  }
  GFN_CHECK(!used.empty()) << "a preference for nothing";
  const at::Tensor log_r_BM = log_rewards_BM.to(at::kDouble).index_select(1, at::tensor(used, at::kLong));
  const at::Tensor weight_M = at::tensor(weights, at::kDouble);
  switch (scalarisation) {
    case Scalarisation::kLogLinear:
      return log_r_BM.mv(weight_M);
    case Scalarisation::kLinear:
      return (log_r_BM + weight_M.log()).logsumexp(1);
    case Scalarisation::kChebyshev:
      return std::get<0>((log_r_BM - weight_M.log()).min(1));
  }
  GFN_CHECK(false) << "scalarisation " << static_cast<int>(scalarisation);
  return {};
}

at::Tensor PreferenceReward::LogRewardOf(const State& objects) const {
  const at::Tensor log_rewards_BM = log_rewards_(objects).to(at::kDouble), id_B = objects.Get("condition");
  at::Tensor value_B = at::zeros({objects.batch_size()}, at::kDouble);
  for (const auto& [id, preference] : preferences_) {
    const at::Tensor rows_N = id_B.eq(static_cast<int64_t>(id.value)).nonzero().squeeze(1);
    if (rows_N.numel() == 0) continue;
    value_B.index_copy_(0, rows_N, sharpness_ * Scalarise(log_rewards_BM.index_select(0, rows_N), preference, scalarisation_));
  }
  return value_B;
}

StatusOr<std::map<ConditionId, Point>> InsertPreferences(const std::vector<Point>& preferences, ConditionTable& conditions) {
  std::map<ConditionId, Point> ids;
  for (const Point& preference : preferences) {
    std::vector<std::string> parts;
    for (const double weight : preference) parts.push_back(FormatReal(weight));
    ASSIGN_OR_RETURN(const ConditionId id, conditions.Insert("preference " + Join(parts, ", ")));
    ids[id] = preference;
  }
  return ids;
}

}  // namespace gfn
