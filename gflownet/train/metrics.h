// The numbers of a training step and where they are written: metrics.jsonl holds values only, so that two runs can be
// compared byte for byte; timing.jsonl holds the clock.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gflownet/base/jsonl.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/status.h"

namespace gfn {

// Names and values in the order of their first Set.
class StepMetrics {
 public:
  StepMetrics() = default;
  StepMetrics(std::initializer_list<std::pair<std::string, double>> values);

  void Set(std::string_view name, double value);  // replaces
  // Sets each of the other's, with a prefix ("eval.").
  void Merge(const StepMetrics& other, std::string_view prefix = "");
  // nullptr if there is none.
  const double* Find(std::string_view name) const;

  const std::vector<std::pair<std::string, double>>& values() const { return values_; }
  bool operator==(const StepMetrics&) const = default;

 private:
  std::vector<std::pair<std::string, double>> values_;
};

// The two files of a run. One line of metrics.jsonl is {"step": n, "kind": "train" | "eval", name: value, ...} with its
// keys sorted; a value that is not finite is written as the text "nan", "inf" or "-inf".
class MetricsWriter {
 public:
  // Goes on after the first `metrics_bytes` bytes of metrics.jsonl (what a checkpoint recorded; 0: from the start) and
  // at the end of timing.jsonl.
  static StatusOr<MetricsWriter> Open(const std::string& metrics_path, const std::string& timing_path, int64_t metrics_bytes);

  Status Append(int64_t step, std::string_view kind, const StepMetrics& metrics);
  // {"step": n, "kind": ..., "seconds": s, "phases": {path: {"seconds", "calls", unit: amount}}}
  Status AppendTiming(int64_t step, std::string_view kind, double seconds, const PhaseTimes& phases);
  // On the disk, as a checkpoint that records metrics_bytes() needs it.
  Status Sync();
  int64_t metrics_bytes() const { return metrics_.bytes(); }

 private:
  MetricsWriter(JsonlWriter metrics, JsonlWriter timing);
  JsonlWriter metrics_, timing_;
};

struct MetricsLine {
  int64_t step = 0;
  std::string kind;
  StepMetrics metrics;
};
// Every line of a metrics.jsonl, for reports and `gfn describe`.
StatusOr<std::vector<MetricsLine>> ReadMetrics(const std::string& path);

}  // namespace gfn
