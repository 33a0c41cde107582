// How far a sampler is from its target, measured on its own samples: no temperature, no top-k or top-p.
//
// For one condition with samples z_n ~ q and a_n = log R(z_n) - log q(z_n):
// (against a target at another temperature T, a_n = log R(z_n) / T - log q(z_n))
//   elbo        mean a_n, a lower bound of log Z with log Z - elbo = KL(q || target)
//   iw_bound_K  log mean_n exp(a_n) over K samples, a tighter lower bound in expectation (Burda et al. 1509.00519)
//   ess         (sum w)^2 / sum w^2 of w_n = exp(a_n), between 1 and K
//   spread      standard deviation of a_n; 0 for a perfect sampler
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/core/exploration.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "llm/gfn/sequence_environment.h"

namespace gfn {

struct SampledText {
  std::vector<int32_t> tokens;  // inner tokens
  int64_t stop = 0;             // -1 where the object ends by its length
  double log_q = 0;
  double log_reward = 0;                     // at T = 1
  std::map<std::string, double> terms = {};  // of the reward, by name
};

// The samples of one condition.
struct ConditionSamples {
  ConditionId condition;
  std::vector<SampledText> samples;
  double temperature = 1;  // of the target that they are measured against

  double LogWeight(const SampledText& sample) const { return sample.log_reward / temperature - sample.log_q; }

  double Elbo() const;
  double IwBound() const;
  double Ess() const;
  double Spread() const;  // 0 for a single sample
  double MeanLogReward() const;
  double MeanLength() const;
};

struct SamplerEvaluationOptions {
  int64_t num_samples = 16;  // of each condition
  int64_t first_sample = 0;  // the number of the first: earlier ones were drawn before
  int64_t batch_rows = 64;   // rollouts at a time
  double temperature = 1;    // of the target
  Exploration exploration;   // only for `sample` on request: bounds hold for the default alone
  RngKey key{0, RngPurpose::kEval, 0};
  std::function<bool()> stop_requested{};  // looked at between batches: true ends with Cancelled; empty: never
};

// Samples of condition i are drawn on streams i * 2^32 + n, n from first_sample on: adding conditions or samples changes no other
// draw.
StatusOr<std::vector<ConditionSamples>> SampleConditions(const SequenceEnvironment& environment, const Policy& policy,
                                                         const Reward& reward, const std::vector<ConditionId>& conditions,
                                                         const SamplerEvaluationOptions& options);

// log q of one given object under the policy (nats). The tokens must be legal in the environment.
StatusOr<std::vector<SampledText>> ScoreTexts(const SequenceEnvironment& environment, const Policy& policy, const Reward& reward,
                                              const std::vector<ConditionId>& conditions,
                                              const std::vector<std::vector<int32_t>>& tokens_with_stop);

// Token lists, each with its stop at the end where there are stops, as a batch of the environment.
StatusOr<TrajectoryBatch> MakeTokenBatch(const SequenceEnvironment& environment, const std::vector<ConditionId>& conditions,
                                         const std::vector<std::vector<int32_t>>& tokens_with_stop);

}  // namespace gfn
