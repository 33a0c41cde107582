#include "gflownet/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gfn {

StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const auto failure = [&](std::string_view what, int error) {
    const std::string message = path + ": " + std::string(what) + ": " + std::strerror(error);
    return error == ENOENT || error == ENOTDIR ? NotFound(message) : FailedPrecondition(message);
  };
  // Without O_NONBLOCK, opening a named pipe would wait for a writer before fstat can refuse it.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failure("cannot open", errno);
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    const int error = errno;
    ::close(fd);
    return failure("cannot stat", error);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    return InvalidArgument(path + ": expected a regular file, found " +
                           (S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe"));
  }
  std::span<const std::byte> bytes;
  if (info.st_size > 0) {
    void* address = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) {
      const int error = errno;
      ::close(fd);
      return failure("cannot map " + std::to_string(info.st_size) + " bytes", error);
    }
    bytes = {static_cast<const std::byte*>(address), static_cast<size_t>(info.st_size)};
  }
  ::close(fd);
  MappedFile file(path, bytes);
  RETURN_IF_ERROR(RefuseLfsPointer(path, file.text()));
  return file;
}

// https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: "version <url>", "oid sha256:<hash>", "size <bytes>", below 1024
// bytes.
Status RefuseLfsPointer(std::string_view path, std::string_view text) {
  constexpr size_t kMostBytes = 1024;
  if (text.size() >= kMostBytes || !text.starts_with("version https://git-lfs.github.com/spec/")) return OkStatus();
  constexpr std::string_view kSize = "\nsize ";
  const size_t begin = std::min(text.find(kSize), text.size() - kSize.size()) + kSize.size();
  const std::string_view size = text.substr(begin, text.substr(begin).find_first_not_of("0123456789"));
  return FailedPrecondition(std::string(path) + ": is a Git LFS pointer, not the file itself" +
                            (size.empty() ? "" : " of " + std::string(size) + " bytes") + "; fetch it with: git lfs pull");
}

MappedFile::MappedFile(MappedFile&& other) noexcept : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    Unmap();
    path_ = std::move(other.path_);
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

MappedFile::~MappedFile() { Unmap(); }

void MappedFile::Unmap() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

StatusOr<std::span<const std::byte>> MappedFile::Slice(uint64_t offset, uint64_t length, std::string_view what) const {
  if (offset > bytes_.size() || length > bytes_.size() - offset) {
    return DataLoss(path_ + ": " + std::string(what) + " should be " + std::to_string(length) + " bytes at offset " +
                    std::to_string(offset) + ", but the file has " + std::to_string(bytes_.size()) + " bytes");
  }
  return bytes_.subspan(offset, length);
}

void MappedFile::WillReadAll() const {
  if (!bytes_.empty()) ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_WILLNEED);
}

}  // namespace gfn
