#include "gflownet/decoding/beam.h"

#include <algorithm>
#include <cmath>

#include "gflownet/decoding/frontier.h"

namespace gfn {
namespace {

struct Hypothesis {
  double score = 0;
  Actions actions = {};
  int64_t row = -1;  // in the frontier
};

// The hypotheses of one group of one condition.
struct Group {
  std::vector<Hypothesis> live, finished;

  // Scores only fall, so once as many are finished as are kept, none that is worse than all of these can get among them.
  bool IsOver(int64_t beams) const {
    return live.empty() || (static_cast<int64_t>(finished.size()) >= beams && live.front().score <= finished.back().score);
  }
};

bool Better(const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; }

// The best continuations of a group, twice as many as its beams: as many may end at this step. Their rows are those they come
// from. `times_taken`: by earlier groups at this step.
std::vector<Hypothesis> BestContinuations(const Group& group, const at::Tensor& log_q_NA, int64_t beams, double penalty,
                                          const std::vector<int64_t>& times_taken) {
  const int64_t num_actions = log_q_NA.size(1);
  std::vector<Hypothesis> candidates;
  for (const Hypothesis& hypothesis : group.live) {
    at::Tensor scores_A = log_q_NA[hypothesis.row].clone();
    double* scores = scores_A.mutable_data_ptr<double>();
    if (penalty > 0) {
      for (int64_t a = 0; a < num_actions; ++a) scores[a] -= penalty * static_cast<double>(times_taken[a]);
    }
    const auto [values, actions] = scores_A.topk(std::min(2 * beams, num_actions));
    for (int64_t i = 0; i < values.numel(); ++i) {
      const double score = values[i].item<double>();
      if (!std::isfinite(score)) break;
      Hypothesis& next = candidates.emplace_back(hypothesis);
      next.score += score;
      next.actions.push_back(actions[i].item<int64_t>());
    }
  }
  std::ranges::stable_sort(candidates, Better);
  candidates.resize(std::min(candidates.size(), static_cast<size_t>(2 * beams)));
  return candidates;
}

}  // namespace

StatusOr<Decoded> BeamSearch(const BeamOptions& options, const DecodingParts& parts, const std::vector<ConditionId>& conditions,
                             int64_t num) {
  const int64_t beams = options.beams / options.groups;  // of a group
  Frontier frontier(*parts.environment, *parts.policy, conditions);
  std::vector<std::vector<Group>> groups(conditions.size(), std::vector<Group>(static_cast<size_t>(options.groups)));
  for (size_t c = 0; c < conditions.size(); ++c) {
    for (Group& group : groups[c]) group.live.push_back({.row = static_cast<int64_t>(c)});
  }
  while (frontier.size() > 0) {
    ASSIGN_OR_RETURN(const at::Tensor log_q_NA, frontier.LogProbs({}));
    // Every continuation that is kept gets a row; those that end leave again.
    std::vector<int64_t> rows, actions;
    std::vector<std::pair<Group*, Hypothesis>> continued;
    for (std::vector<Group>& of_condition : groups) {
      std::vector<int64_t> times_taken(static_cast<size_t>(log_q_NA.size(1)));
      for (Group& group : of_condition) {
        if (group.live.empty()) continue;
        const auto candidates = BestContinuations(group, log_q_NA, beams, options.penalty, times_taken);
        group.live.clear();
        for (const Hypothesis& candidate : candidates) {
          rows.push_back(candidate.row);
          actions.push_back(candidate.actions.back());
          continued.emplace_back(&group, candidate);
        }
        // Later groups avoid what the first `beams` of these take.
        for (size_t i = 0; i < std::min(candidates.size(), static_cast<size_t>(beams)); ++i)
          ++times_taken[static_cast<size_t>(candidates[i].actions.back())];
      }
    }
    frontier.Select(rows);
    const std::vector<bool> done = frontier.Advance(actions);
    for (size_t i = 0; i < continued.size(); ++i) {
      auto& [group, hypothesis] = continued[i];
      hypothesis.row = static_cast<int64_t>(i);
      std::vector<Hypothesis>& list = done[i] ? group->finished : group->live;
      if (static_cast<int64_t>(list.size()) < beams || done[i]) list.push_back(hypothesis);
    }
    std::vector<int64_t> kept;
    for (std::vector<Group>& of_condition : groups) {
      for (Group& group : of_condition) {
        std::ranges::stable_sort(group.finished, Better);
        group.finished.resize(std::min(group.finished.size(), static_cast<size_t>(beams)));
        if (group.IsOver(beams)) group.live.clear();
        for (Hypothesis& hypothesis : group.live) {
          kept.push_back(hypothesis.row);
          hypothesis.row = static_cast<int64_t>(kept.size()) - 1;
        }
      }
    }
    frontier.Select(kept);
  }
  Decoded decoded;
  const int64_t of_group = (num + options.groups - 1) / options.groups;
  for (const std::vector<Group>& of_condition : groups) {
    std::vector<Hypothesis> best;
    for (const Group& group : of_condition) {
      for (int64_t i = 0; i < std::min<int64_t>(of_group, static_cast<int64_t>(group.finished.size())); ++i)
        best.push_back(group.finished[static_cast<size_t>(i)]);
    }
    std::ranges::stable_sort(best, Better);
    best.resize(std::min(best.size(), static_cast<size_t>(num)));
    std::vector<Actions>& objects = decoded.objects.emplace_back();
    for (Hypothesis& hypothesis : best) objects.push_back(std::move(hypothesis.actions));
  }
  decoded.num_actions = frontier.num_actions();
  return decoded;
}

}  // namespace gfn
