// The layout of a run on the disk.
//
//   resolved.yaml         the configuration with every key
//   metrics.jsonl         values, byte-comparable between runs       timing.jsonl   the clock
//   history.jsonl         when the run was started, resumed, changed, stopped, and on what
//   checkpoints/step_000123/   see train/checkpoint.h
//   adapter/              the trained result, exported               report.html
//   failures/             what is known of a step that failed
//   simulated.jsonl       given objects that the task has made for this run
//   lock                  see train/lock.h
//
// No file holds an absolute path: a run folder can be moved. What gfn removes is of this list; other files stay.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_reader.h"
#include "gflownet/base/status.h"
#include "gflownet/train/lock.h"
#include "nlohmann/json_fwd.hpp"

namespace gfn {

// Names only; nothing is read or made.
struct RunPaths {
  std::string root;

  std::string config() const;
  std::string metrics() const;
  std::string timing() const;
  std::string history() const;
  std::string checkpoints() const;
  std::string adapter() const;
  std::string report() const;
  std::string failures() const;
  std::string given() const;
  std::string lock() const;
};

// How the names of the files in failures/ begin.
inline constexpr std::string_view kFailedStep = "failed_step_";

// Whether a run was started in this folder.
bool IsRunFolder(const std::string& path);

// A run folder that this process holds the lock of.
class RunFolder {
 public:
  // Starts a run. FailedPrecondition if there is one already, if the folder has other things in it, or if another
  // process holds it; then everything is as it was before.
  static StatusOr<RunFolder> Create(const std::string& path, const std::string& config_text);
  // Goes on with a run. NotFound if there is none. Leftovers of a killed process (half-written checkpoints) are removed.
  static StatusOr<RunFolder> Open(const std::string& path);

  const RunPaths& paths() const { return paths_; }
  const std::string& config_text() const { return config_text_; }
  const RunLock& lock() const { return lock_; }

  // Whether anything is in it that took time: a checkpoint, or given objects that were made.
  bool HoldsWork() const;
  // A run that holds no work begins again as a new one, in its place.
  Status StartAgain(const std::string& config_text);
  // Ends a run that holds no work: what gfn has made is removed, the folders that Create had to make among it. Other files stay,
  // and with them the folder. Nothing may be done with it afterwards.
  Status Discard();

  // One line of history.jsonl: {"time": now, "event": event, ...details}.
  Status RecordEvent(std::string_view event, const nlohmann::json& details) const;
  // A resumed run with other values of keys that may change: the changes are recorded, then resolved.yaml is replaced.
  Status ChangeConfig(const std::string& config_text, const std::vector<ConfigDifference>& changes);

 private:
  RunFolder(RunPaths paths, std::string config_text, RunLock lock);
  Status Begin();
  Status RemoveOwnFiles() const;
  RunPaths paths_;
  std::string config_text_;
  RunLock lock_;
  bool is_new_ = false;                    // made by Create of this process
  std::vector<std::string> made_folders_;  // by Create, the deepest first
};

}  // namespace gfn
