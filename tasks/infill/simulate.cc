#include "tasks/infill/simulate.h"

#include <algorithm>

#include "gflownet/core/rollout.h"
#include "llm/gfn/sampler_evaluation.h"
#include "llm/gfn/sequence_policy.h"
#include "llm/gfn/trajectory_tokens.h"
#include "tasks/text/text_support.h"

namespace gfn {
namespace {

// A world of all token sequences up to max_len that end with one of `stops`: nothing is masked, so sampling in it is sampling
// from the model itself. Sequences that reach max_len are unfinished.
StatusOr<std::unique_ptr<SequenceEnvironment>> FreeWorld(int64_t vocab_size, std::vector<int64_t> stops, int64_t max_len,
                                                         const SequenceConditionTable& table) {
  SequenceSupport support{.vocab_size = vocab_size,
                          .legal = std::vector<bool>(vocab_size, true),
                          .stop_ids = std::move(stops),
                          .min_len = 0,
                          .max_len = max_len};
  return SequenceEnvironment::Create(std::move(support), table, "free", {});
}

// One continuation of the base model behind each prompt (they need not differ), drawn on the given streams.
StatusOr<TokenTrajectories> Continue(const LanguageModel& model, const std::vector<std::vector<int32_t>>& prompts,
                                     const std::vector<uint64_t>& streams, const std::vector<int64_t>& stops, int64_t max_len,
                                     double temperature, const RngKey& key) {
  SequenceConditionTable table;
  ASSIGN_OR_RETURN(const auto world, FreeWorld(model.config().vocab_size, stops, max_len, table));
  const SequencePolicy base(model, nullptr, nullptr, *world, PromptSource::kX);
  std::vector<RolloutRow> rows;
  size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  if (const Status fits = CheckContext(model.config(), static_cast<int64_t>(longest) + max_len); !fits.ok()) {
    return Annotate(fits, "task.simulation: a beginning of " + std::to_string(longest) + " tokens and up to " +
                              std::to_string(max_len) + " behind it");
  }
  for (size_t i = 0; i < prompts.size(); ++i) {
    ASSIGN_OR_RETURN(const ConditionId id, InsertCondition(table, {prompts[i], prompts[i], {}}));
    RolloutRow& row = rows.emplace_back();
    row.condition = id;
    row.stream = streams[i];
    row.exploration.temperature = temperature;
  }
  ASSIGN_OR_RETURN(const TrajectoryBatch batch, Rollout(*world, base, rows, key));
  return TokenTrajectories(batch);
}

// The tokens that finish an ending.
std::vector<int64_t> EndTokens(const SimulationRequest& request) {
  std::vector<int64_t> ends;
  for (int32_t id = 0; id < std::min<int64_t>(request.model->config().vocab_size, request.tokenizer->vocab_size()); ++id) {
    if (MaySpell(request.tokenizer->TokenBytes(id), request.sentence_ends)) ends.push_back(id);
  }
  return ends;
}

}  // namespace

StatusOr<std::vector<SimulatedStory>> SimulateStories(const SimulationRequest& request, int64_t first, int64_t last) {
  at::NoGradGuard no_grad;
  // 1. z behind x. max_len + 1: a sequence that the model would have gone on with is told from one that it ended. Attempts at one
  // beginning follow each other, so that it is read once for many of them; a token that may not be inside ends an attempt at
  // once.
  const int64_t attempts_in_a_row =
      std::clamp<int64_t>(request.config.attempts / static_cast<int64_t>(request.beginnings.size()), 1, kSimulationChunk);
  const std::vector<int64_t>& stop_ids = request.support.stop_ids;
  const auto is_stop = [&](int64_t id) { return std::ranges::find(stop_ids, id) != stop_ids.end(); };
  std::vector<int64_t> ends = stop_ids;
  for (int64_t id = 0; id < request.support.vocab_size; ++id) {
    if (!request.support.legal[id] && !is_stop(id)) ends.push_back(id);
  }
  std::vector<std::vector<int32_t>> prompts;
  std::vector<uint64_t> streams;
  std::vector<size_t> example;
  for (int64_t i = first; i < last; ++i) {
    example.push_back(static_cast<size_t>(i / attempts_in_a_row) % request.beginnings.size());
    prompts.push_back(request.beginnings[example.back()]);
    streams.push_back(static_cast<uint64_t>(i * (1 + request.config.endings)));
  }
  const RngKey key{request.seed, RngPurpose::kData, 1};
  ASSIGN_OR_RETURN(const TokenTrajectories z, Continue(*request.model, prompts, streams, ends, request.support.max_len + 1,
                                                       request.config.temperature, key));
  // 2. y behind those that are inside the support.
  const SupportRules rules(request.support);
  std::vector<std::vector<int32_t>> longer;
  std::vector<uint64_t> y_streams;
  std::vector<size_t> kept;
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (!is_stop(z.stop[i]) || !rules.WhyNot({}, z.inner[i]).empty()) continue;
    std::vector<int32_t> prompt = prompts[i];
    prompt.insert(prompt.end(), z.inner[i].begin(), z.inner[i].end());
    prompt.push_back(static_cast<int32_t>(z.stop[i]));
    for (int64_t ending = 1; ending <= request.config.endings; ++ending) {
      kept.push_back(i);
      longer.push_back(prompt);
      y_streams.push_back(streams[i] + static_cast<uint64_t>(ending));
    }
  }
  std::vector<SimulatedStory> stories;
  if (kept.empty()) return stories;
  ASSIGN_OR_RETURN(const TokenTrajectories y, Continue(*request.model, longer, y_streams, EndTokens(request),
                                                       request.config.max_y_len, request.config.temperature, key));
  for (size_t k = 0; k < kept.size(); ++k) {
    const auto& inner = y.inner[k];
    const bool finished = static_cast<int64_t>(inner.size()) < request.config.max_y_len;
    const bool plain = std::none_of(inner.begin(), inner.end(), [&](int32_t id) {
      return id >= request.tokenizer->vocab_size() || request.tokenizer->IsSpecial(id) ||
             request.tokenizer->TokenBytes(id).find('\n') != std::string_view::npos;
    });
    if (!finished || !plain || inner.empty()) continue;
    SimulatedStory& story = stories.emplace_back();
    story.example = example[kept[k]];
    story.z = z.inner[kept[k]];
    story.stop = z.stop[kept[k]];
    story.y = inner;
    story.y.push_back(static_cast<int32_t>(y.stop[k]));
  }
  return stories;
}

}  // namespace gfn
