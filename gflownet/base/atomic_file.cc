// The part of file_util.h that works on file descriptors.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"

namespace gfn {
namespace {

constexpr std::string_view kWriting = ".writing.";

Status SystemError(const std::string& path, std::string_view what, int error) {
  const std::string message = path + ": cannot " + std::string(what) + ": " + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) return NotFound(message);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) return ResourceExhausted(message);
  return FailedPrecondition(message);
}

}  // namespace

bool IsUnfinishedFile(std::string_view name, std::string_view of) {
  return name.starts_with(of) && name.substr(of.size()).starts_with(kWriting);
}

Status SyncPath(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(path, "open for syncing", errno);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  // Some file systems have no sync of folders; there is nothing more to do then.
  return error == 0 || error == EINVAL || error == ENOTSUP ? OkStatus() : SystemError(path, "sync", error);
}

AtomicFile::AtomicFile(std::string path, std::string temporary, int fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::move(other.temporary_)), fd_(std::exchange(other.fd_, -1)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this != &other) {
    Discard();
    path_ = std::move(other.path_);
    temporary_ = std::move(other.temporary_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

AtomicFile::~AtomicFile() { Discard(); }

void AtomicFile::Discard() {
  if (fd_ < 0) return;
  ::close(std::exchange(fd_, -1));
  ::unlink(temporary_.c_str());
}

StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  if (FolderExists(path)) return InvalidArgument(path + ": expected a file, found a folder");
  // The process id keeps two processes apart, the counter two writers of one process.
  static std::atomic<int64_t> counter = 0;
  const std::string temporary = path + std::string(kWriting) + std::to_string(::getpid()) + "." + std::to_string(counter++);
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return SystemError(temporary, "create", errno);
  return AtomicFile(path, temporary, fd);
}

Status AtomicFile::WriteAt(int64_t offset, std::span<const std::byte> bytes) {
  GFN_CHECK_GE(fd_, 0) << "AtomicFile::WriteAt after Commit: " << path_;
  constexpr size_t kMaxWrite = size_t{1} << 30;  // Linux writes at most 2 GiB at once
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), std::min(bytes.size(), kMaxWrite), offset);
    if (written < 0) {
      if (errno == EINTR) continue;
      return SystemError(temporary_, "write " + std::to_string(bytes.size()) + " bytes", errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += written;
  }
  return OkStatus();
}

Status AtomicFile::Commit() {
  GFN_CHECK_GE(fd_, 0) << "AtomicFile::Commit twice: " << path_;
  if (::fsync(fd_) != 0) return SystemError(temporary_, "sync", errno);
  if (::close(std::exchange(fd_, -1)) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    return SystemError(temporary_, "close", error);
  }
  if (Status status = RenameIntoPlace(temporary_, path_); !status.ok()) {
    ::unlink(temporary_.c_str());
    return status;
  }
  return OkStatus();
}

}  // namespace gfn
