// The infilling task behind the interface of all tasks.
#pragma once

#include <memory>

#include "tasks/infill/infill_config.h"
#include "tasks/infill/infill_parts.h"
#include "tasks/infill/sampler_file.h"
#include "tasks/task/task.h"

namespace gfn {

std::unique_ptr<TaskPlan> MakeTaskPlan(const InfillConfig& task, const RunSettings& settings);

// infill_memory.cc: bytes of a run from the model's shapes and the lengths of the texts in its data. The status of the data or
// the tokenizer where they cannot be read: without them nothing is promised.
StatusOr<MemoryParts> EstimateInfillMemory(const InfillConfig& task, const RunSettings& settings, const ModelConfig& model);

// infill_report.cc: curves from metrics.jsonl, tables and samples from the evaluations made so far.
Status ReportInfill(const InfillConfig& task, const RunSettings& settings, const RunRecord& record, report::Report& page);

// A sampler without a run: of the configuration, or with the support of a gfn_sampler.json.
StatusOr<std::unique_ptr<Task>> OpenInfillSampler(const InfillConfig& task, const RunSettings& settings,
                                                  const std::optional<SamplerFile>& sampler, const LogFunction& log);

// infill_sample.cc, for `gfn sample` and its --score.
Status SampleInfill(InfillParts& parts, const SampleRequest& request, const EmitLine& emit);
Status ScoreInfill(InfillParts& parts, const ScoreRequest& request, const EmitLine& emit);

// infill_checks.cc and infill_evaluation.cc, for `gfn doctor` and `gfn eval`.
StatusOr<Examination> ExamineInfill(InfillParts& parts);
StatusOr<EvalResult> EvaluateInfill(InfillParts& parts, const EvalRequest& request);

}  // namespace gfn
