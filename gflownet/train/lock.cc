#include "gflownet/train/lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/train/environment.h"

namespace gfn {
namespace {

using Json = nlohmann::json;

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

// Field 22 of /proc/<pid>/stat; 0 if there is no such process. The name in field 2 may hold spaces and brackets, so the
// fields are counted from the last bracket on.
int64_t StartTicks(int64_t pid) {
  const std::string path = std::string("/proc/").append(std::to_string(pid)).append("/stat");
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char buffer[1024];
  const ssize_t size = read(fd, buffer, sizeof buffer);
  close(fd);
  const std::string text(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  size_t at = text.rfind(')');
  for (int field = 2; at != text.npos && field < 22; ++field) at = text.find(' ', at + 1);
  return at == text.npos ? 0 : std::strtoll(text.c_str() + at, nullptr, 10);
}

// What the file says; nullopt if it is empty or no holder can be read from it.
std::optional<LockHolder> ReadHolder(int fd) {
  char buffer[1024];
  const ssize_t size = pread(fd, buffer, sizeof buffer, 0);
  if (size <= 0) return std::nullopt;
  const Json json = Json::parse(buffer, buffer + size, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto has = [&](const char* key, bool is_text) {
    return json.contains(key) && (is_text ? json[key].is_string() : json[key].is_number_integer());
  };
  if (!has("pid", false) || !has("host", true) || !has("start_ticks", false) || !has("since", true)) return std::nullopt;
  return LockHolder{json["pid"].get<int64_t>(), json["host"].get<std::string>(), json["start_ticks"].get<int64_t>(),
                    json["since"].get<std::string>()};
}

Status WriteHolder(int fd, const std::string& path, const LockHolder& holder) {
  ASSIGN_OR_RETURN(
      std::string text,
      JsonToText({{"pid", holder.pid}, {"host", holder.host}, {"start_ticks", holder.start_ticks}, {"since", holder.since}}));
  text += "\n";
  if (ftruncate(fd, 0) == 0 && pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) {
    return OkStatus();
  }
  return ResourceExhausted(path + ": cannot write: " + std::strerror(errno));
}

bool IsFileOf(int fd, const std::string& path) {
  struct stat open_file, named;
  return fstat(fd, &open_file) == 0 && lstat(path.c_str(), &named) == 0 && open_file.st_dev == named.st_dev &&
         open_file.st_ino == named.st_ino;
}

Status Refused(const std::string& path, const std::optional<LockHolder>& holder) {
  const std::string folder = ParentFolder(path);
  if (!holder.has_value()) return FailedPrecondition(folder + ": another process is starting in this run folder");
  return FailedPrecondition(folder + ": in use by process " + std::to_string(holder->pid) + " on " + holder->host + " since " +
                            holder->since + "; wait for it or stop it");
}

}  // namespace

LockHolder ThisProcess() { return {getpid(), HostName(), StartTicks(getpid()), UtcNow()}; }

bool IsAlive(const LockHolder& holder) {
  if (holder.host != HostName() || holder.pid <= 0) return false;
  const bool exists = kill(static_cast<pid_t>(holder.pid), 0) == 0 || errno == EPERM;
  return exists && StartTicks(holder.pid) == holder.start_ticks;
}

std::optional<LockHolder> PeekLock(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::optional<LockHolder> holder = ReadHolder(fd);
  close(fd);
  return holder;
}

bool CanBeLock(const std::string& path) {
  struct stat info;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  const bool can = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (info.st_size == 0 || ReadHolder(fd).has_value());
  close(fd);
  return can;
}

StatusOr<RunLock> RunLock::Acquire(const std::string& path) {
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
  int fd = open(path.c_str(), kFlags | O_CREAT | O_EXCL, 0666);
  const bool is_new = fd >= 0;
  if (!is_new && errno == EEXIST) fd = open(path.c_str(), kFlags | O_CREAT, 0666);
  if (fd < 0) return FailedPrecondition(path + ": cannot open for locking: " + std::strerror(errno));
  RunLock lock(fd, path, is_new);  // closes the file on every way out
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const std::optional<LockHolder> holder = ReadHolder(fd);
    const bool unsupported = error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
    if (!unsupported || (holder.has_value() && IsAlive(*holder))) {
      lock.fd_ = -1;  // not ours to clear
      close(fd);
      if (unsupported || error == EWOULDBLOCK) return Refused(path, holder);
      return Internal(path + ": cannot lock: " + std::strerror(error));
    }
  }
  // A process that gave its run up may have removed the file between the two calls: then this lock is of no file.
  if (!IsFileOf(fd, path)) {
    lock.fd_ = -1;
    close(fd);
    return Refused(path, std::nullopt);
  }
  lock.taken_over_ = ReadHolder(fd);
  RETURN_IF_ERROR(WriteHolder(fd, path, ThisProcess()));
  return lock;
}

RunLock::RunLock(RunLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      is_new_(other.is_new_),
      taken_over_(std::move(other.taken_over_)) {}

RunLock& RunLock::operator=(RunLock&& other) noexcept {
  if (this != &other) {
    Release();
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
    is_new_ = other.is_new_;
    taken_over_ = std::move(other.taken_over_);
  }
  return *this;
}

RunLock::~RunLock() { Release(); }

void RunLock::Remove() {
  // Before the release: whoever opens it meanwhile sees that its file is gone.
  if (fd_ >= 0) unlink(path_.c_str());
  Release();
}

void RunLock::Release() {
  if (fd_ < 0) return;
  // An empty file says that the holder left in order; if it cannot be emptied, the next one only reports a takeover.
  [[maybe_unused]] const int emptied = ftruncate(fd_, 0);
  close(std::exchange(fd_, -1));
}

}  // namespace gfn
