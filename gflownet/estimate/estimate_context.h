// What the quantities of one request share, each made at the first question: draws, exact values, checks of coverage. For the
// files of Estimate (quantities.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/estimate/exact_values.h"
#include "gflownet/estimate/quantities.h"

namespace gfn {

using Quantities = std::vector<Quantity>;

class EstimateContext {
 public:
  using Path = std::vector<int64_t>;

  // Both must outlive it. The request's path must be legal.
  EstimateContext(const Sampler& sampler, const EstimandRequest& request) : sampler_(sampler), request_(request) {}

  const Sampler& sampler() const { return sampler_; }
  const EstimandRequest& request() const { return request_; }
  const EnvironmentSpec& spec() const { return sampler_.environment->Spec(); }
  double confidence() const { return request_.options.confidence; }

  StatusOr<const ExactValues*> Exact(const Path& path);
  StatusOr<const SamplesFrom*> Samples(const Path& path);
  StatusOr<int64_t> Distinct(const Path& path);

  // What objects found without the sampler have against the estimate of log Z, of log F(path), or with `below` of log Z(path);
  // and the mean of log w over them.
  struct Opinion {
    std::vector<std::string> against;
    Interval reverse;
  };
  StatusOr<Opinion> AskCoverage(const Path& path, const BelowFunction& below, const Interval& estimate);
  // Of log Z, where it is not exact, as a warning of quantities that are of the sampler; empty: nothing.
  StatusOr<std::vector<std::string>> OfTheSamplerAlone();

 private:
  struct Draws {
    SamplesFrom samples;
    int64_t distinct = 0;
  };
  StatusOr<const Draws*> DrawsFrom(const Path& path);

  const Sampler& sampler_;
  const EstimandRequest& request_;
  std::map<Path, std::unique_ptr<const ExactValues>> exact_;
  std::map<Path, std::unique_ptr<const Draws>> draws_;
  std::map<std::pair<Path, bool>, Coverage> coverage_;  // by the path, and whether P_B is that below it
};

// Of what the sampler makes, as opposed to its target: sampler_quantities.cc.
StatusOr<Quantities> EntropyOfSampler(EstimateContext& context);
StatusOr<Quantities> MutualInformationOfSampler(EstimateContext& context);
StatusOr<Quantities> ConditionInformationOfSampler(EstimateContext& context);

}  // namespace gfn
