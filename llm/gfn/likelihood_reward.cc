#include "llm/gfn/likelihood_reward.h"

#include <algorithm>

#include "gflownet/base/check.h"
#include "gflownet/base/phase.h"
#include "llm/gfn/token_rows.h"
#include "llm/gfn/trajectory_tokens.h"
#include "llm/model/lm_head.h"

namespace gfn {
namespace {

// Where the numbers of one prefix stand among the rows of a pass.
struct PrefixRows {
  int64_t state = -1;                         // row behind z_1..k: stop, and the next token's log-probability
  std::vector<std::vector<int64_t>> endings;  // rows of y_1.., and of each rival; empty where the object cannot end
};

// One forest of whole conditions, and what is read of it.
struct Chunk {
  Forest forest;
  std::vector<int64_t> rows;                       // trajectories of the batch
  std::vector<std::vector<Forest::Place>> places;  // [row in chunk] of z_1..n
  std::vector<int32_t> roots;                      // [row in chunk]
  // [row in chunk][k][ending]: where the tokens of y (and of each rival) are predicted
  std::vector<std::vector<std::vector<std::vector<Forest::Place>>>> suffixes;
};

// y, and the rivals that are compared with it.
std::vector<const std::vector<int32_t>*> EndingsOf(const SequenceCondition& condition, double rival_penalty) {
  std::vector<const std::vector<int32_t>*> endings;
  if (condition.y.empty()) return endings;
  endings.push_back(&condition.y);
  if (rival_penalty == 0) return endings;
  for (const std::vector<int32_t>& rival : condition.rivals) endings.push_back(&rival);
  return endings;
}

}  // namespace

LikelihoodReward::LikelihoodReward(const LanguageModel& model, const SequenceEnvironment& environment, std::string digest,
                                   LikelihoodRewardOptions options)
    : model_(model), environment_(environment), digest_(std::move(digest)), options_(options) {}

StatusOr<RewardValueAlong> LikelihoodReward::LogRewardAlong(const TrajectoryBatch& batch) const { return Evaluate(batch, true); }

StatusOr<RewardValue> LikelihoodReward::LogReward(const TrajectoryBatch& batch) const {
  ASSIGN_OR_RETURN(RewardValueAlong along, Evaluate(batch, false));
  RewardValue value;
  value.log_reward_B = along.log_reward_along_BT.gather(1, (batch.lengths_B - 1).unsqueeze(1)).squeeze(1);
  value.terms = std::move(along.terms);
  return value;
}

StatusOr<RewardValueAlong> LikelihoodReward::Evaluate(const TrajectoryBatch& batch, bool every_prefix) const {
  at::NoGradGuard no_grad;
  const bool has_stops = !environment_.support().stop_ids.empty();
  const TokenTrajectories trajectories(batch, !has_stops);
  const Grouping grouping = GroupRows(batch.condition_ids);
  const int64_t B = batch.size(), T = batch.num_steps();
  RewardValueAlong value;
  value.log_reward_along_BT = at::zeros({B, T}, at::kDouble);
  at::Tensor log_p_z = at::zeros({B}, at::kDouble), log_p_stop = at::zeros({B}, at::kDouble),
             log_p_y = at::zeros({B}, at::kDouble), rival_B = at::zeros({B}, at::kDouble);
  double* along = value.log_reward_along_BT.mutable_data_ptr<double>();

  // May the object of row b end behind its first k tokens?
  const auto may_end = [&](int64_t b, size_t k) {
    return has_stops ? trajectories.stop_legal[b][k] != 0 : k == trajectories.inner[b].size();
  };
  // Adds the rollouts of one condition to a forest.
  const auto add_group = [&](int64_t g, Chunk& chunk) {
    const SequenceCondition& condition = environment_.conditions().Get(grouping.conditions[g]);
    const int32_t root = chunk.forest.AddRoot(condition.x);
    const int32_t x_len = static_cast<int32_t>(condition.x.size());
    for (int64_t b = 0; b < B; ++b) {
      if (grouping.group_of_row[b] != g) continue;
      const auto& z = trajectories.inner[b];
      chunk.rows.push_back(b);
      chunk.roots.push_back(root);
      chunk.places.push_back(chunk.forest.AddPath(root, x_len, z, options_.share_prefixes));
      const auto& places = chunk.places.back();
      auto& suffixes = chunk.suffixes.emplace_back(z.size() + 1);
      for (const std::vector<int32_t>* ending : EndingsOf(condition, options_.rival_penalty)) {
        // The last token of y is scored, never read.
        std::vector<int32_t> suffix;
        if (has_stops) suffix.push_back(static_cast<int32_t>(trajectories.stop[b]));
        suffix.insert(suffix.end(), ending->begin(), ending->end() - 1);
        for (size_t k = 0; k <= z.size(); ++k) {
          if (!may_end(b, k) || (!every_prefix && k < z.size())) continue;
          const Forest::Place at = k == 0 ? Forest::Place{root, x_len - 1} : places[k - 1];
          auto& suffix_places =
              suffixes[k].emplace_back(chunk.forest.AddPath(at.segment, at.index + 1, suffix, options_.share_prefixes));
          if (!has_stops) suffix_places.insert(suffix_places.begin(), at);  // y_1 stands right behind z
        }
      }
    }
  };

  const auto score_chunk = [&](const Chunk& chunk) {
    const PackedForest packed = PackForest(chunk.forest);
    TokenRows rows;
    std::vector<std::vector<PrefixRows>> wanted(chunk.rows.size());
    for (size_t c = 0; c < chunk.rows.size(); ++c) {
      const int64_t b = chunk.rows[c];
      const auto& z = trajectories.inner[b];
      const SequenceCondition& condition = environment_.conditions().Get(batch.condition_ids[b]);
      for (size_t k = 0; k <= z.size(); ++k) {
        PrefixRows& prefix = wanted[c].emplace_back();
        const Forest::Place at =
            k == 0 ? Forest::Place{chunk.roots[c], static_cast<int32_t>(condition.x.size()) - 1} : chunk.places[c][k - 1];
        if (has_stops || k < z.size()) prefix.state = rows.Add(packed.Position(at), k < z.size() ? z[k] : -1);
        const auto endings = EndingsOf(condition, options_.rival_penalty);
        for (size_t e = 0; e < chunk.suffixes[c][k].size(); ++e) {
          std::vector<int64_t>& ending = prefix.endings.emplace_back();
          for (size_t j = 0; j < chunk.suffixes[c][k][e].size(); ++j)
            ending.push_back(rows.Add(packed.Position(chunk.suffixes[c][k][e][j]), (*endings[e])[j]));
        }
      }
    }
    AddPhaseWork("positions", static_cast<double>(packed.num_tokens()));
    AddPhaseWork("head_rows", static_cast<double>(rows.positions.size()));
    const auto score = [&](const Adapter* adapter) {
      const at::Tensor hidden =
          model_.Forward(packed, rows.positions, {.adapter = adapter, .with_grad = false, .dropout_key = {}});
      return ScoreHead(model_, hidden, {rows.targets, environment_.support().stop_ids, {}});
    };
    const auto log_p_of = [](const HeadScores& scores) {
      return (scores.logit_target_R - scores.log_norm_R).to(at::kCPU, at::kDouble).contiguous();
    };
    const HeadScores scores = score(options_.adapter);
    const at::Tensor log_p_R = log_p_of(scores);
    const at::Tensor log_p_ending_R = options_.answer_adapter == nullptr ? log_p_R : log_p_of(score(options_.answer_adapter));
    const at::Tensor log_p_stop_RS =
        (scores.logit_stop_RS - scores.log_norm_R.unsqueeze(1)).to(at::kCPU, at::kDouble).contiguous();
    const double* log_p = log_p_R.const_data_ptr<double>();
    const double* log_p_ending = log_p_ending_R.const_data_ptr<double>();
    const double* log_stop = log_p_stop_RS.const_data_ptr<double>();
    const int64_t S = log_p_stop_RS.size(1);
    for (size_t c = 0; c < chunk.rows.size(); ++c) {
      const int64_t b = chunk.rows[c];
      const int64_t stop = environment_.rules().StopIndex(trajectories.stop[b]);
      GFN_CHECK(!has_stops || stop >= 0) << "token " << trajectories.stop[b] << " is no stop";
      const int64_t last = batch.lengths_B[b].item<int64_t>() - 1;
      double prefix_log_p = 0;
      for (size_t k = 0; k < wanted[c].size(); ++k) {
        const PrefixRows& prefix = wanted[c][k];
        double y = 0, rival = 0;
        for (size_t e = 0; e < prefix.endings.size(); ++e) {
          double sum = 0;
          for (const int64_t row : prefix.endings[e]) sum += log_p_ending[row];
          if (e == 0)
            y = sum;
          else if (sum > y)
            rival = -options_.rival_penalty;
        }
        const double end = has_stops ? log_stop[prefix.state * S + stop] : 0;
        // Entry k is of ending in s_k; an object that ends by its length has the one value, at its last action.
        if (may_end(b, k)) along[b * T + std::min(static_cast<int64_t>(k), last)] = prefix_log_p + end + y + rival;
        if (k + 1 == wanted[c].size()) {
          log_p_z.mutable_data_ptr<double>()[b] = prefix_log_p;
          log_p_stop.mutable_data_ptr<double>()[b] = end;
          log_p_y.mutable_data_ptr<double>()[b] = y;
          rival_B.mutable_data_ptr<double>()[b] = rival;
        } else {
          prefix_log_p += log_p[prefix.state];
        }
      }
    }
  };

  Chunk chunk;
  for (size_t g = 0; g < grouping.conditions.size(); ++g) {
    add_group(static_cast<int64_t>(g), chunk);
    if (chunk.forest.num_tokens() >= options_.max_positions || g + 1 == grouping.conditions.size()) {
      score_chunk(chunk);
      chunk = {};
    }
  }
  value.terms = {{"log_p_z", log_p_z}, {"log_p_y", log_p_y}};
  if (has_stops) value.terms["log_p_stop"] = log_p_stop;
  if (options_.rival_penalty != 0) value.terms["rival"] = rival_B;
  return value;
}

}  // namespace gfn
