// One process per run folder. The lock is flock(2) on a file that also names its holder (process, host, start), so a
// refused process can say who holds it; the kernel drops the lock of a process that dies, however it dies. On file
// systems without flock the holder named in the file is asked for instead: alive on this host, or not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gflownet/base/status.h"

namespace gfn {

struct LockHolder {
  int64_t pid = 0;
  std::string host;
  // When the process started, in clock ticks since the machine did (/proc/<pid>/stat), which tells a process from a
  // later one with the same number.
  int64_t start_ticks = 0;
  std::string since;  // UTC, "2025-01-31T12:00:00Z"
};

// This process.
LockHolder ThisProcess();
// Whether the process is still there; a holder of another host cannot be asked and counts as gone (a run folder that
// was copied from another machine carries its lock file along).
bool IsAlive(const LockHolder& holder);

// Who the lock file names, without taking the lock; nullopt if nobody (it was released in order, or there is no file).
std::optional<LockHolder> PeekLock(const std::string& path);

// Whether the file can be a lock: empty, or naming a holder. Anything else of this name is somebody's own.
bool CanBeLock(const std::string& path);

class RunLock {
 public:
  // FailedPrecondition naming the holder if another process has it. Makes the file if there is none; a link is refused.
  static StatusOr<RunLock> Acquire(const std::string& path);
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&& other) noexcept;
  // Releases it; the file stays, empty.
  ~RunLock();

  // Releases it and takes the file away.
  void Remove();

  // Whether the file was not there before.
  bool is_new() const { return is_new_; }
  // Who had left the lock behind without releasing it (killed), if anybody.
  const std::optional<LockHolder>& taken_over() const { return taken_over_; }

 private:
  RunLock(int fd, std::string path, bool is_new) : fd_(fd), path_(std::move(path)), is_new_(is_new) {}
  void Release();

  int fd_ = -1;
  std::string path_;
  bool is_new_ = false;
  std::optional<LockHolder> taken_over_;
};

}  // namespace gfn
