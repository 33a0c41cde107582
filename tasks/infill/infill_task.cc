#include "tasks/infill/infill_task.h"

#include "tasks/text/text_simulated.h"

namespace gfn {
namespace {

class InfillKind : public TextKindOf<InfillConfig> {
 public:
  using TextKindOf::TextKindOf;
  TextWords Words() const override {
    return {
        .subtitle = "A sampler of hidden sentences: how far its samples are from the true posterior, before and after training",
        .examples = "stories",
        .object = "sentence",
        .log_z = "log p(Y|X)"};
  }
  StatusOr<TrajectoryBatch> GivenObjects(TextParts& parts, const TextSplit& train, const std::string& cache,
                                         const LogFunction& log) const override {
    if (config().simulation.attempts > 0) return SimulatedObjects(config().simulation, parts, train, cache, log);
    return TextKind::GivenObjects(parts, train, cache, log);
  }
  StatusOr<std::vector<ExactDraw>> ExactDraws(TextParts& parts, const std::vector<TextExample>& examples,
                                              int64_t num) const override {
    return DrawExactly(config().simulation, parts, examples, num);
  }
};

}  // namespace

std::unique_ptr<TextKind> MakeTextKind(const InfillConfig& config) { return std::make_unique<InfillKind>(config); }

}  // namespace gfn
