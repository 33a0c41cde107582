#include "llm/gfn/ending_likelihood.h"

#include "gflownet/base/check.h"
#include "llm/gfn/token_rows.h"
#include "llm/gfn/trajectory_tokens.h"
#include "llm/model/lm_head.h"

namespace gfn {

at::Tensor EndingLogLikelihoods(const LanguageModel& model, const SequenceEnvironment& environment, const TrajectoryBatch& batch,
                                const ForwardContext& context) {
  const at::AutoGradMode grad_mode(context.with_grad);
  const bool has_stops = !environment.support().stop_ids.empty();
  const TokenTrajectories trajectories(batch, !has_stops);
  const Grouping grouping = GroupRows(batch.condition_ids);
  const int64_t B = batch.size();
  Forest forest;
  std::vector<int32_t> roots;
  for (const ConditionId id : grouping.conditions) roots.push_back(forest.AddRoot(environment.conditions().Get(id).x));
  int64_t num_endings = -1;
  std::vector<std::pair<Forest::Place, int32_t>> predictions;  // a token behind a place
  std::vector<int64_t> entry;                                  // [predictions] of the result, b * E + e
  for (int64_t b = 0; b < B; ++b) {
    const SequenceCondition& condition = environment.conditions().Get(batch.condition_ids[b]);
    std::vector<const std::vector<int32_t>*> endings = {&condition.y};
    for (const std::vector<int32_t>& rival : condition.rivals) endings.push_back(&rival);
    if (num_endings < 0) num_endings = static_cast<int64_t>(endings.size());
    GFN_CHECK_EQ(num_endings, static_cast<int64_t>(endings.size())) << "conditions of a batch have as many rivals";
    std::vector<int32_t> read = trajectories.inner[b];
    if (has_stops) read.push_back(static_cast<int32_t>(trajectories.stop[b]));
    const int32_t root = roots[grouping.group_of_row[b]];
    const auto x_len = static_cast<int32_t>(condition.x.size());
    const std::vector<Forest::Place> places = forest.AddPath(root, x_len, read, /*share=*/true);
    const Forest::Place end = places.empty() ? Forest::Place{root, x_len - 1} : places.back();
    for (size_t e = 0; e < endings.size(); ++e) {
      const std::vector<int32_t>& ending = *endings[e];
      GFN_CHECK(!ending.empty()) << "a condition without an ending has no likelihood of it";
      // The last token is scored, never read.
      std::vector<Forest::Place> at =
          forest.AddPath(end.segment, end.index + 1, std::span(ending).first(ending.size() - 1), /*share=*/true);
      at.insert(at.begin(), end);
      for (size_t j = 0; j < ending.size(); ++j) {
        predictions.emplace_back(at[j], ending[j]);
        entry.push_back(b * num_endings + static_cast<int64_t>(e));
      }
    }
  }
  const PackedForest packed = PackForest(forest);
  TokenRows rows;
  std::vector<int64_t> row_of;
  for (const auto& [place, token] : predictions) row_of.push_back(rows.Add(packed.Position(place), token));
  const at::Tensor hidden = model.Forward(packed, rows.positions, context);
  const HeadScores scores = ScoreHead(model, hidden, {rows.targets, {}, {}});
  const at::Tensor log_p_R = (scores.logit_target_R - scores.log_norm_R).to(at::kCPU, at::kDouble);
  return at::zeros({B * num_endings}, at::kDouble)
      .index_add(0, IndexTensor(entry), log_p_R.index_select(0, IndexTensor(row_of)))
      .view({B, num_endings});
}

}  // namespace gfn
