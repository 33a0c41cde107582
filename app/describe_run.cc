// The state of a run folder: whether a process is at work in it, how far it is, and the health of its checkpoints.
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/app.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/base/text_util.h"
#include "gflownet/train/checkpoint.h"
#include "gflownet/train/lock.h"
#include "gflownet/train/metrics.h"
#include "tasks/run_config.h"

namespace gfn {
namespace {

std::string MetricsText(const StepMetrics& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics.values()) text += name + " " + FormatShort(value) + "  ";
  return text;
}

// The last line of each kind. A line that a killed process left half-written, or a damaged file, ends the list with the reason.
void DescribeMetrics(const std::string& path) {
  if (!FileExists(path)) return PrintField("metrics", "none yet");
  const StatusOr<std::vector<MetricsLine>> lines = ReadMetrics(path);
  if (!lines.ok())
    return PrintField("metrics", Message(lines.status()) + " (a resumed run writes it again from its checkpoint on)");
  PrintField("steps", lines->empty() ? "0" : std::to_string(lines->back().step));
  for (const char* kind : {"train", "eval"}) {
    for (auto line = lines->rbegin(); line != lines->rend(); ++line) {
      if (line->kind != kind) continue;
      PrintField(kind == std::string("eval") ? "last evaluation" : "last step",
                 "step " + std::to_string(line->step) + ": " + MetricsText(line->metrics));
      break;
    }
  }
}

std::string DescribeLock(const std::string& path) {
  const std::optional<LockHolder> holder = PeekLock(path);
  if (!holder.has_value()) return "no process is at work in it";
  const std::string who = "process " + std::to_string(holder->pid) + " on " + holder->host + " since " + holder->since;
  return IsAlive(*holder) ? who + " is at work in it" : "left behind by " + who + ", which is not on this machine (any more)";
}

// The last events of history.jsonl, as many as a screen bears.
void DescribeHistory(const std::string& path) {
  constexpr size_t kMostEvents = 6;
  StatusOr<JsonlReader> reader = JsonlReader::Open(path);
  if (!reader.ok()) return;
  std::vector<std::string> events;
  for (nlohmann::json object;;) {
    const StatusOr<bool> more = reader->Next(&object);
    if (!more.ok() || !*more) break;
    const auto text = [&](const char* key) {
      return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
    };
    std::string event = text("time") + "  " + text("event");
    if (object.contains("step") && object["step"].is_number_integer())
      event += " at step " + std::to_string(object["step"].get<int64_t>());
    for (const char* key : {"reason", "error"}) event += text(key).empty() ? "" : ": " + text(key);
    events.push_back(std::move(event));
  }
  std::cout << "history\n";
  for (size_t i = events.size() - std::min(events.size(), kMostEvents); i < events.size(); ++i)
    std::cout << "  " << events[i] << "\n";
}

Status DescribeCheckpoints(const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<CheckpointHealth> checkpoints, ListCheckpoints(path));
  std::cout << "checkpoints\n";
  for (const CheckpointHealth& health : checkpoints) {
    PrintField("step " + std::to_string(health.step), FormatBytes(health.bytes) + (health.is_best ? ", best" : "") + ", " +
                                                          (health.status.ok() ? "healthy" : Message(health.status)));
  }
  if (checkpoints.empty()) PrintField("none", "");
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(path));
  for (const std::string& name : names) {
    if (name.starts_with("rejected_")) PrintField(name, "found damaged by a resumed run");
    if (name.starts_with("unfinished_")) PrintField(name, "being written, or left by a process that was killed");
  }
  if (const auto latest = LatestValidCheckpoint(path); latest.ok()) {
    for (const auto& [name, value] : latest->manifest.identity) PrintField("trained on, " + name, value);
  }
  return OkStatus();
}

}  // namespace

Status DescribeRun(const std::string& path) {
  const RunPaths paths{path};
  std::cout << "run " << path << "\n";
  PrintField("lock", DescribeLock(paths.lock()));
  DescribeMetrics(paths.metrics());
  if (FolderExists(paths.checkpoints())) RETURN_IF_ERROR(DescribeCheckpoints(paths.checkpoints()));
  DescribeHistory(paths.history());
  std::cout << "adapter\n";
  PrintField("exported", FolderExists(paths.adapter()) ? paths.adapter() : "not yet");
  ASSIGN_OR_RETURN(const std::string config, ReadFile(paths.config()));
  if (const auto parsed = ReadRunConfigText(config, paths.config()); !parsed.ok()) {
    PrintField("configuration", "damaged: " + Message(parsed.status()) + " (a copy stands in every checkpoint's manifest.json)");
    return OkStatus();
  }
  if (const std::string edited = EditedSettings(paths); !edited.empty())
    PrintField("edited", "these keys are not what the newest checkpoint was made with, which is what counts: " + edited);
  std::cout << "every key\n" << config;
  return OkStatus();
}

}  // namespace gfn
