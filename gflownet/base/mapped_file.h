// A file mapped read-only into memory. Pages are read when touched, shared between processes and given back under pressure.
// Limit of the system: if another process shortens the file while it is mapped, touching the lost part raises SIGBUS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "gflownet/base/status.h"

namespace gfn {

class MappedFile {
 public:
  // NotFound if there is no such file; InvalidArgument if it is not a regular file; FailedPrecondition for what `git clone`
  // leaves in place of a file without git-lfs. An empty file is valid.
  static StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  int64_t size() const { return static_cast<int64_t>(bytes_.size()); }
  std::span<const std::byte> bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

  // The bytes [offset, offset + length), for numbers that come from the file itself: DataLoss naming `what` if they lie outside.
  StatusOr<std::span<const std::byte>> Slice(uint64_t offset, uint64_t length, std::string_view what) const;

  // A hint that the whole file is about to be read in order.
  void WillReadAll() const;

 private:
  MappedFile(std::string path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}
  void Unmap();

  std::string path_;
  std::span<const std::byte> bytes_;
};

// FailedPrecondition naming `path` if its text begins as a Git LFS pointer does: the file itself was not fetched.
Status RefuseLfsPointer(std::string_view path, std::string_view text);

}  // namespace gfn
