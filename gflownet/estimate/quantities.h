// The estimators by name, as `gfn estimate` asks for them: each with its interval, with the exact value beside it where there is
// a way to it (exact_values.h), and where there is none, of the target's quantities, with what objects found without the sampler
// say of it (coverage.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/enum_table.h"
#include "gflownet/base/status.h"
#include "gflownet/estimate/coverage.h"
#include "gflownet/estimate/quantity.h"
#include "gflownet/estimate/sample_from.h"

namespace gfn {

enum class Estimand { kLogZ, kFlow, kFreeEnergy, kEntropy, kMarginal, kMutualInformation, kConditionInformation, kTargetEntropy };
GFN_ENUM_TABLE(Estimand,
               {Estimand::kLogZ, "log_z",
                "log of the sum of R^(1/T), with elbo, the self-normalised mean of log w and the effective sample size"},
               {Estimand::kFlow, "flow", "log F(s): log of the sum of R(x)^(1/T) P_B(x passes s)"},
               {Estimand::kFreeEnergy, "free_energy", "-log of the sum of R(x)^(1/T) over the x reachable from s"},
               {Estimand::kEntropy, "entropy", "of the objects made from s on, in nats"},
               {Estimand::kMarginal, "marginal", "probability that an object lies below s: of supersets, where objects are sets"},
               {Estimand::kMutualInformation, "mutual_information", "of the actions at two places of the object; trees alone"},
               {Estimand::kConditionInformation, "condition_information",
                "of object and condition, every condition alike; trees alone"},
               {Estimand::kTargetEntropy, "target_entropy",
                "of the target, from the totals of this sampler and of one of -R' log R'"})

struct EstimandRequest {
  std::vector<int64_t> path{};            // s: the state after these actions; {}: the initial state
  std::vector<int64_t> places = {0, 1};   // of mutual_information
  std::vector<ConditionId> conditions{};  // of condition_information
  std::optional<Sampler> second{};        // of target_entropy: its reward is an EntropyReward of the sampler's
  int64_t num_backward = 16;              // trajectories drawn back from each sample, for entropies in a DAG
  int64_t max_states = int64_t{1} << 18;  // worlds up to this size are listed for exact values
  CoverageOptions coverage{};             // its confidence and key are those of the options below
  EstimateOptions options{};
};

// InvalidArgument where the world has no such quantity, with the reason. Draws, exact values and checks of coverage are shared by
// what is asked for together.
StatusOr<std::vector<Quantity>> Estimate(const std::vector<Estimand>& what, const Sampler& sampler,
                                         const EstimandRequest& request);
inline StatusOr<std::vector<Quantity>> Estimate(Estimand what, const Sampler& sampler, const EstimandRequest& request) {
  return Estimate(std::vector<Estimand>{what}, sampler, request);
}

}  // namespace gfn
