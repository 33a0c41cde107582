// `gfn doctor` on a language model: the checks on examples of the training data, and where the time went.
#include <algorithm>

#include "gflownet/base/memory.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/device.h"
#include "tasks/text/text_checks.h"
#include "tasks/text/text_task.h"

namespace gfn {

StatusOr<Examination> ExamineText(TextParts& parts) {
  constexpr int64_t kRollouts = 4;
  ASSIGN_OR_RETURN(const TextSplit split, LoadSplit(parts, "train", 2));
  ASSIGN_OR_RETURN(const auto objective, MakeObjective(parts.settings.objective));
  // The same line twice is one condition.
  std::vector<ConditionId> conditions = split.conditions;
  conditions.erase(std::unique(conditions.begin(), conditions.end()), conditions.end());
  Examination examination;
  examination.subject = parts.settings.model->path + ", " + std::string(EnumName(parts.settings.model->dtype)) + ", " +
                        DescribeDevice(parts.model->device()) + ", " + objective->Name();
  PhaseTimes times;
  SetPhaseTimes(&times);
  auto findings = CheckSampler(parts, SamplerOf(parts, *objective), conditions, kRollouts);
  SetPhaseTimes(nullptr);
  RETURN_IF_ERROR(findings.status());
  examination.checks = std::move(findings->checks);

  report::Table& tokens = examination.tables.emplace_back();
  tokens.title = "what the tokenizer puts around texts";
  tokens.columns = {{.name = "where"}, {.name = "tokens"}};
  for (const auto& [where, what] : DescribeTokens(*parts.tokenizer, parts.config().prompt)) tokens.rows.push_back({where, what});

  report::Table& phases = examination.tables.emplace_back();
  phases.title =
      "where the time went, " + std::to_string(conditions.size()) + " conditions x " + std::to_string(kRollouts) + " rollouts";
  phases.columns = {{.name = "phase"},
                    {.name = "seconds", .decimals = 3},
                    {.name = "positions", .decimals = 0},
                    {.name = "positions/s", .decimals = 0}};
  for (const PhaseEntry& entry : times.entries()) {
    const double positions = entry.work.contains("positions") ? entry.work.at("positions") : 0;
    phases.rows.push_back({entry.path, entry.seconds, positions, positions / entry.seconds});
  }
  phases.note = "memory: weights " + FormatBytes(parts.model->bytes()) + ", peak of the process " + FormatBytes(PeakRssBytes());
  if (!findings->not_checked.empty()) phases.note += "\n" + findings->not_checked;
  return examination;
}

}  // namespace gfn
