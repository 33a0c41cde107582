#include "gflownet/train/metrics.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

using Json = nlohmann::json;

// JSON has no NaN and no infinity.
Json ToJson(double value) { return std::isfinite(value) ? Json(value) : Json(FormatReal(value)); }

StatusOr<double> FromJson(const Json& value, const std::string& where) {
  if (value.is_number()) return value.get<double>();
  if (value == "nan") return std::nan("");
  if (value == "inf") return HUGE_VAL;
  if (value == "-inf") return -HUGE_VAL;
  return DataLoss(where + " is " + value.dump() + ", expected a number, \"nan\", \"inf\" or \"-inf\"");
}

}  // namespace

StepMetrics::StepMetrics(std::initializer_list<std::pair<std::string, double>> values) {
  for (const auto& [name, value] : values) Set(name, value);
}

void StepMetrics::Set(std::string_view name, double value) {
  GFN_CHECK(!name.empty() && name != "step" && name != "kind") << "'" << name << "' cannot be the name of a metric";
  for (auto& [known, old] : values_) {
    if (known == name) {
      old = value;
      return;
    }
  }
  values_.emplace_back(name, value);
}

void StepMetrics::Merge(const StepMetrics& other, std::string_view prefix) {
  for (const auto& [name, value] : other.values_) Set(std::string(prefix) + name, value);
}

const double* StepMetrics::Find(std::string_view name) const {
  for (const auto& [known, value] : values_) {
    if (known == name) return &value;
  }
  return nullptr;
}

MetricsWriter::MetricsWriter(JsonlWriter metrics, JsonlWriter timing)
    : metrics_(std::move(metrics)), timing_(std::move(timing)) {}

StatusOr<MetricsWriter> MetricsWriter::Open(const std::string& metrics_path, const std::string& timing_path,
                                            int64_t metrics_bytes) {
  ASSIGN_OR_RETURN(JsonlWriter metrics, JsonlWriter::Open(metrics_path, metrics_bytes));
  ASSIGN_OR_RETURN(JsonlWriter timing, JsonlWriter::Open(timing_path));
  return MetricsWriter(std::move(metrics), std::move(timing));
}

Status MetricsWriter::Append(int64_t step, std::string_view kind, const StepMetrics& metrics) {
  Json line = {{"step", step}, {"kind", kind}};
  for (const auto& [name, value] : metrics.values()) line[name] = ToJson(value);
  return metrics_.Append(line);
}

Status MetricsWriter::AppendTiming(int64_t step, std::string_view kind, double seconds, const PhaseTimes& phases) {
  Json inner = Json::object();
  for (const PhaseEntry& entry : phases.entries()) {
    Json one = {{"seconds", entry.seconds}, {"calls", entry.num_calls}};
    for (const auto& [unit, amount] : entry.work) one[unit] = ToJson(amount);
    inner[entry.path] = std::move(one);
  }
  return timing_.Append({{"step", step}, {"kind", kind}, {"seconds", seconds}, {"phases", std::move(inner)}});
}

Status MetricsWriter::Sync() {
  RETURN_IF_ERROR(metrics_.Sync());
  return timing_.Sync();
}

StatusOr<std::vector<MetricsLine>> ReadMetrics(const std::string& path) {
  ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(path));
  std::vector<MetricsLine> lines;
  for (Json object;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&object));
    if (!more) return lines;
    MetricsLine line;
    if (!object.contains("step") || !object["step"].is_number_integer() || !object.contains("kind") ||
        !object["kind"].is_string()) {
      return DataLoss(reader.Where() + ": expected the keys \"step\" (an integer) and \"kind\" (a text)");
    }
    line.step = object["step"].get<int64_t>();
    line.kind = object["kind"].get<std::string>();
    for (const auto& [name, value] : object.items()) {
      if (name == "step" || name == "kind" || name.empty()) continue;
      ASSIGN_OR_RETURN(const double number, FromJson(value, reader.Where() + ": \"" + name + "\""));
      line.metrics.Set(name, number);
    }
    lines.push_back(std::move(line));
  }
}

}  // namespace gfn
