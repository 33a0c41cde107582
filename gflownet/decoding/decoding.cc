#include "gflownet/decoding/decoding.h"

#include <algorithm>

#include "gflownet/base/overloaded.h"
#include "gflownet/core/local_search.h"
#include "gflownet/core/rollout.h"
#include "gflownet/decoding/beam.h"
#include "gflownet/decoding/smc.h"
#include "gflownet/estimate/importance.h"

namespace gfn {
namespace {

// The actions of each row.
std::vector<Actions> ActionsOf(const TrajectoryBatch& batch) {
  const at::Tensor actions_BT = batch.actions_BT.contiguous(), lengths_B = batch.lengths_B.contiguous();
  std::vector<Actions> rows;
  for (int64_t b = 0; b < batch.size(); ++b) {
    const int64_t* row = actions_BT.const_data_ptr<int64_t>() + b * batch.num_steps();
    rows.emplace_back(row, row + lengths_B.const_data_ptr<int64_t>()[b]);
  }
  return rows;
}

// Rows in order, `num` of each condition.
std::vector<std::vector<Actions>> PerCondition(std::vector<Actions> rows, int64_t num) {
  std::vector<std::vector<Actions>> objects;
  for (auto at = rows.begin(); at != rows.end(); at += num)
    objects.emplace_back(std::make_move_iterator(at), std::make_move_iterator(at + num));
  return objects;
}

class Decoder {
 public:
  Decoder(const DecodingParts& parts, const std::vector<ConditionId>& conditions, int64_t num, const RngKey& key)
      : parts_(parts), conditions_(conditions), num_(num), key_(key) {}

  StatusOr<Decoded> operator()(const SamplingMethod& method) const {
    Exploration exploration;
    exploration.temperature = method.temperature;
    exploration.top_k = method.top_k;
    exploration.top_p = method.top_p;
    exploration.min_p = method.min_p;
    ASSIGN_OR_RETURN(const TrajectoryBatch batch, Draw(num_, exploration));
    Decoded decoded;
    decoded.objects = PerCondition(ActionsOf(batch), num_);
    decoded.num_actions = batch.lengths_B.sum().item<int64_t>();
    return decoded;
  }

  StatusOr<Decoded> operator()(const GreedyMethod&) const { return BeamSearch({}, parts_, conditions_, 1); }

  StatusOr<Decoded> operator()(const BeamMethod& method) const {
    const int64_t beams = method.beams > 0 ? method.beams : num_;
    if (beams < num_) {
      return InvalidArgument("beam search with " + std::to_string(beams) + " beams cannot give " + std::to_string(num_) +
                             " samples");
    }
    return BeamSearch({.beams = beams}, parts_, conditions_, num_);
  }

  StatusOr<Decoded> operator()(const DiverseBeamMethod& method) const {
    const int64_t beams = method.beams > 0 ? method.beams : num_, groups = method.groups > 0 ? method.groups : beams;
    if (beams < num_ || beams % groups != 0) {
      return InvalidArgument("diverse beam search: " + std::to_string(beams) + " beams in " + std::to_string(groups) +
                             " groups cannot give " + std::to_string(num_) + " samples");
    }
    return BeamSearch({.beams = beams, .groups = groups, .penalty = method.penalty}, parts_, conditions_, num_);
  }

  StatusOr<Decoded> operator()(const BestOfMethod& method) const {
    ASSIGN_OR_RETURN(const TrajectoryBatch batch, Draw(num_ * method.candidates, {}));
    ASSIGN_OR_RETURN(const RewardValue value, parts_.reward->LogReward(batch));
    const at::Tensor best_M = value.log_reward_B.view({-1, method.candidates}).argmax(1);
    const std::vector<Actions> rows = ActionsOf(batch);
    std::vector<Actions> chosen;
    for (int64_t m = 0; m < best_M.numel(); ++m)
      chosen.push_back(rows[static_cast<size_t>(m * method.candidates + best_M[m].item<int64_t>())]);
    Decoded decoded;
    decoded.objects = PerCondition(std::move(chosen), num_);
    Count(batch, decoded);
    return decoded;
  }

  StatusOr<Decoded> operator()(const ImportanceMethod& method) const {
    ASSIGN_OR_RETURN(const TrajectoryBatch batch, Draw(method.candidates, {}));
    ASSIGN_OR_RETURN(const RewardValue value, parts_.reward->LogReward(batch));
    const TrajectoryScores scores = parts_.policy->Score(batch, {.needs = Need::kLogPf, .with_grad = false});
    const at::Tensor log_w_B =
        (value.log_reward_B / parts_.temperature - scores.log_pf_BT.to(at::kCPU, at::kDouble).sum(1)).contiguous();
    const std::vector<Actions> rows = ActionsOf(batch);
    Decoded decoded;
    for (size_t c = 0; c < conditions_.size(); ++c) {
      const double* first = log_w_B.const_data_ptr<double>() + static_cast<int64_t>(c) * method.candidates;
      const std::vector<double> log_w(first, first + method.candidates);
      std::vector<Actions>& objects = decoded.objects.emplace_back();
      for (const int64_t i : SystematicResampling(log_w, num_, ResamplingUniform(c)))
        objects.push_back(rows[c * static_cast<size_t>(method.candidates) + static_cast<size_t>(i)]);
      decoded.log_z.push_back(LogMeanWeight(log_w).mean);
      decoded.ess.push_back(EffectiveSampleSize(log_w));
    }
    Count(batch, decoded);
    return decoded;
  }

  StatusOr<Decoded> operator()(const SmcMethod& method) const {
    ASSIGN_OR_RETURN(SmcResult result, RunSmc(method, parts_, conditions_, {}, key_));
    Decoded decoded;
    for (const ParticleSet& set : result.sets) decoded.log_z.push_back(set.log_z);
    decoded.num_actions = result.num_actions;
    decoded.num_judged = result.num_judged;
    for (int64_t sweep = 0; sweep < method.sweeps; ++sweep) {
      std::vector<Actions> retained;
      for (size_t c = 0; c < conditions_.size(); ++c)
        retained.push_back(
            result.sets[c]
                .objects[static_cast<size_t>(SystematicResampling(result.sets[c].log_w, 1, ResamplingUniform(c, sweep + 1))[0])]);
      const RngKey key = {key_.seed, key_.purpose, MixBits(key_.step + static_cast<uint64_t>(sweep) + 1)};
      ASSIGN_OR_RETURN(result, RunSmc(method, parts_, conditions_, retained, key));
      decoded.num_actions += result.num_actions;
      decoded.num_judged += result.num_judged;
    }
    for (size_t c = 0; c < conditions_.size(); ++c) {
      const ParticleSet& set = result.sets[c];
      decoded.ess.push_back(EffectiveSampleSize(set.log_w));
      std::vector<Actions>& objects = decoded.objects.emplace_back();
      for (const int64_t i : SystematicResampling(set.log_w, num_, ResamplingUniform(c)))
        objects.push_back(set.objects[static_cast<size_t>(i)]);
    }
    return decoded;
  }

  StatusOr<Decoded> operator()(const MetropolisHastingsMethod& method) const {
    LocalSearchInput input;
    ASSIGN_OR_RETURN(input.batch, Draw(num_, {}));
    RETURN_IF_ERROR(EvaluateReward(*parts_.reward, input.batch, false));
    for (const RolloutRow& row : Rows(num_, {})) input.streams.push_back(row.stream);
    input.temperature = parts_.temperature;
    LocalSearchConfig search;
    search.iterations = method.steps;
    Decoded decoded;
    Count(input.batch, decoded);
    ASSIGN_OR_RETURN(const TrajectoryBatch batch,
                     LocalSearch(*parts_.environment, *parts_.policy, *parts_.reward, search, input, key_));
    decoded.objects = PerCondition(ActionsOf(batch), num_);
    // Every move draws an object again, as far as this search goes, and weighs both.
    decoded.num_actions *= 1 + method.steps;
    decoded.num_judged *= 1 + method.steps;
    return decoded;
  }

 private:
  // Condition c draws at streams c * 2^32 + n, as in evaluations.
  std::vector<RolloutRow> Rows(int64_t num, const Exploration& exploration) const {
    std::vector<RolloutRow> rows;
    for (size_t c = 0; c < conditions_.size(); ++c) {
      for (const RolloutRow& row : RolloutRows({conditions_[c]}, num, exploration, static_cast<uint64_t>(c) << 32))
        rows.push_back(row);
    }
    return rows;
  }
  StatusOr<TrajectoryBatch> Draw(int64_t num, const Exploration& exploration) const {
    return Rollout(*parts_.environment, *parts_.policy, Rows(num, exploration), key_);
  }
  double ResamplingUniform(size_t c, int64_t position = 0) const {
    return Uniform({key_.seed, RngPurpose::kResample, key_.step}, (uint64_t{1} << 63) + c, static_cast<uint64_t>(position));
  }
  static void Count(const TrajectoryBatch& batch, Decoded& decoded) {
    decoded.num_actions = batch.lengths_B.sum().item<int64_t>();
    decoded.num_judged = batch.size();
  }

  const DecodingParts& parts_;
  const std::vector<ConditionId>& conditions_;
  int64_t num_;
  RngKey key_;
};

}  // namespace

StatusOr<Decoded> Decode(const DecodingMethod& method, const DecodingParts& parts, const std::vector<ConditionId>& conditions,
                         int64_t num, const RngKey& key) {
  const at::NoGradGuard no_grad;
  const EnvironmentSpec& spec = parts.environment->Spec();
  const std::string name = std::visit([]<class T>(const T&) { return std::string(T::kKind); }, method);
  if (spec.action != EnvironmentSpec::Action::kDiscrete || spec.is_stochastic)
    return InvalidArgument("method " + name + " is for worlds with discrete actions and without nature, not for " + spec.name);
  const bool weighs_paths = std::holds_alternative<SmcMethod>(method) || std::holds_alternative<ImportanceMethod>(method);
  if (weighs_paths && !spec.is_tree)
    return InvalidArgument("method " + name + " weighs objects by log q of one trajectory, but in " + spec.name +
                           " several lead there");
  return std::visit(Decoder(parts, conditions, num, key), method);
}

bool HasDensity(const DecodingMethod& method) {
  const auto* sampling = std::get_if<SamplingMethod>(&method);
  return sampling != nullptr && sampling->temperature == 1 && sampling->top_k == 0 && sampling->top_p == 1 &&
         sampling->min_p == 0;
}

StatusOr<TrajectoryBatch> BatchOfActions(const Environment& environment, const std::vector<ConditionId>& conditions,
                                         const std::vector<Actions>& objects) {
  size_t longest = 1;
  for (const Actions& actions : objects) longest = std::max(longest, actions.size());
  TrajectoryBatch batch;
  batch.condition_ids = conditions;
  const auto B = static_cast<int64_t>(objects.size()), T = static_cast<int64_t>(longest);
  batch.actions_BT = at::zeros({B, T}, at::kLong);
  batch.lengths_B = at::zeros({B}, at::kLong);
  for (int64_t b = 0; b < B; ++b) {
    std::ranges::copy(objects[static_cast<size_t>(b)], batch.actions_BT.mutable_data_ptr<int64_t>() + b * T);
    batch.lengths_B.mutable_data_ptr<int64_t>()[b] = static_cast<int64_t>(objects[static_cast<size_t>(b)].size());
  }
  RETURN_IF_ERROR(CompleteBatch(environment, batch));
  return batch;
}

}  // namespace gfn
