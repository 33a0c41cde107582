#include "tasks/posterior/posterior_task.h"

namespace gfn {
namespace {

class PosteriorKind : public TextKindOf<PosteriorConfig> {
 public:
  using TextKindOf::TextKindOf;
  TextWords Words() const override {
    return {.subtitle = "A sampler of texts by a reward: how far its samples are from the target, before and after training",
            .examples = "prompts",
            .object = "text",
            .log_z = "the log of the sum of R(Z)^(1/T)"};
  }
  double EvaluationTemperature(const RunSettings& settings) const override {
    return settings.train.trainer.reward_temperature.end;
  }
};

}  // namespace

std::unique_ptr<TextKind> MakeTextKind(const PosteriorConfig& config) { return std::make_unique<PosteriorKind>(config); }

}  // namespace gfn
