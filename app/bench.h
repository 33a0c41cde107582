// Inside app/: what the parts of `gfn bench` share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/commands.h"
#include "gflownet/base/status.h"
#include "llm/tokenizer/tokenizer.h"
#include "report/table.h"

namespace gfn {

extern const char* const kBenchBeginning;
extern const char* const kBenchEnding;

// --model, or the one that tools/setup fetched.
std::string BenchModel(const BenchCommand& command);
// The text's tokens, over and over, until there are `count`.
std::vector<int32_t> FirstTokens(const Tokenizer& tokenizer, const std::string& text, int64_t count);

// One measured phase of a step: seconds of each repeat, and its work.
struct PhaseResult {
  std::string name;
  std::vector<double> seconds;
  double positions = 0, head_rows = 0, flops = 0;
};

// One infilling step of fixed shapes: every rollout has max_len tokens, and a stop is legal (and scored) at every prefix; only
// the sampler is kept from choosing it.
struct InfillStep {
  std::vector<PhaseResult> phases;  // sample, reward, score, backward, optimiser
  std::vector<double> totals;       // seconds of each repeat
  double gemm_peak = 0;             // GFLOP/s of the engine's own products at a training pass's size, in this process
  uint64_t peak_rss_bytes = 0;      // of the process so far
  std::string device;
};
StatusOr<InfillStep> MeasureInfillStep(const BenchCommand& command);

Status BenchInfill(const BenchCommand& command);
Status BenchSweep(const BenchCommand& command);  // infill --sweep
Status BenchDecode(const BenchCommand& command);
Status BenchRounding(const BenchCommand& command);

}  // namespace gfn
