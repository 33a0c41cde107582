#include <gtest/gtest.h>

#include "tests/support/conformance.h"

namespace gfn {
namespace {

void Report(const Findings& findings) {
  for (const std::string& line : findings.lines()) ADD_FAILURE() << line;
}

}  // namespace

TrajectoryBatch RandomTrajectories(const Environment& environment, const std::vector<ConditionId>& conditions,
                                   const ConformanceOptions& options) {
  StatusOr<TrajectoryBatch> batch = DrawRandomTrajectories(environment, conditions, options);
  if (!batch.ok()) {
    ADD_FAILURE() << Message(batch.status());
    return {};
  }
  return *std::move(batch);
}

void CheckEnvironment(const Environment& environment, const std::vector<ConditionId>& conditions,
                      const ConformanceOptions& options) {
  SCOPED_TRACE("environment " + environment.Spec().name);
  Findings findings;
  FindBrokenRules(environment, conditions, options, findings);
  Report(findings);
}

void CheckReward(const Environment& environment, const Reward& reward, const std::vector<ConditionId>& conditions,
                 const ConformanceOptions& options) {
  SCOPED_TRACE("reward " + reward.Digest());
  Findings findings;
  FindBrokenReward(environment, reward, conditions, options, findings);
  Report(findings);
}

void ExpectClose(const at::Tensor& found, const at::Tensor& expected, Tolerance tolerance, const std::string& what) {
  const Closeness close = AllClose(found, expected, tolerance);
  EXPECT_TRUE(close.close) << what << ": " << close.worst;
}

}  // namespace gfn
