// Any task on a language model behind the interface of all tasks.
#pragma once

#include <concepts>
#include <memory>
#include <optional>

#include "tasks/task/task.h"
#include "tasks/text/sampler_file.h"
#include "tasks/text/text_kind.h"
#include "tasks/text/text_parts.h"

namespace gfn {

std::unique_ptr<TaskPlan> MakeTextPlan(std::shared_ptr<const TextKind> kind, const RunSettings& settings);

// Of a task's own struct, beside which MakeTextKind stands.
template <std::derived_from<TextConfig> Config>
std::unique_ptr<TaskPlan> MakeTaskPlan(const Config& task, const RunSettings& settings) {
  return MakeTextPlan(MakeTextKind(task), settings);
}

// A sampler without a run: of the configuration, or with the support of a gfn_sampler.json.
StatusOr<std::unique_ptr<Task>> OpenTextSampler(std::shared_ptr<const TextKind> kind, const RunSettings& settings,
                                                const std::optional<SamplerFile>& sampler, const LogFunction& log);

// text_memory.cc: bytes of a run from the model's shapes and the lengths of the texts in its data. The status of the data or the
// tokenizer where they cannot be read: without them nothing is promised.
StatusOr<MemoryParts> EstimateTextMemory(const TextKind& kind, const RunSettings& settings, const ModelConfig& model);

// text_report.cc: curves from metrics.jsonl, tables and samples from the evaluations made so far.
Status ReportText(const TextKind& kind, const RunSettings& settings, const RunRecord& record, report::Report& page);

// text_sample.cc, for `gfn sample` and its --score.
Status SampleLines(TextParts& parts, const SampleRequest& request, const EmitLine& emit);
Status ScoreLines(TextParts& parts, const ScoreRequest& request, const EmitLine& emit);

// text_doctor.cc and text_evaluation.cc, for `gfn doctor` and `gfn eval`.
StatusOr<Examination> ExamineText(TextParts& parts);
StatusOr<EvalResult> EvaluateText(TextParts& parts, const EvalRequest& request);

}  // namespace gfn
