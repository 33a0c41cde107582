// Files and folders with errors as Status, and the one road by which a file or folder appears on the disk: written beside its
// place, synced, renamed, and the parent folder synced, so that after a crash it is there whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

bool FileExists(const std::string& path);                              // a regular file
bool FolderExists(const std::string& path);                            // a directory
std::string JoinPath(std::string_view folder, std::string_view name);  // an absolute `name` stands alone
std::string ParentFolder(std::string_view path);                       // "." for a bare name
std::string BaseName(std::string_view path);                           // "c.txt" of "a/b/c.txt"

// The whole file. ResourceExhausted if it is larger than max_bytes.
StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes = int64_t{1} << 30);
// The last max_bytes of a file, or all of it.
StatusOr<std::string> ReadFileTail(const std::string& path, int64_t max_bytes);
StatusOr<int64_t> FileSize(const std::string& path);
// XXH64 of the content (gflownet/base/digest.h), for checksums of checkpoints and of base weights.
StatusOr<uint64_t> FileDigest(const std::string& path);

// Replaces the file at `path` as a whole.
Status WriteFileAtomic(const std::string& path, std::string_view content);
// Shortens a file; DataLoss if it is already shorter.
Status TruncateFile(const std::string& path, int64_t size);

// Makes a folder and its parents; fine if it exists. NotFound for a symbolic link that leads nowhere.
Status MakeFolders(const std::string& path);
// Names in the folder, sorted, without "." and "..".
StatusOr<std::vector<std::string>> ListFolder(const std::string& path);
// Removes a file or folder with everything in it; fine if there is none.
Status RemoveAll(const std::string& path);
// Removes a regular file; anything else stays (a link, a folder), and none is fine.
Status RemoveFile(const std::string& path);
// Removes a folder if there is nothing in it; otherwise, and where there is none, it does nothing. Links to folders stay.
Status RemoveEmptyFolder(const std::string& path);

// fsync of one file or folder.
Status SyncPath(const std::string& path);
// fsync of a folder and everything in it.
Status SyncFolderTree(const std::string& path);
// Renames a file or folder, then syncs the parent. The content must be synced already. A file replaces a file; a folder may
// replace only an empty one.
Status RenameIntoPlace(const std::string& from, const std::string& to);

// Whether `name` is what a process that was killed has left of the writing of a file `of`.
bool IsUnfinishedFile(std::string_view name, std::string_view of);

// A file being written beside its place. Destroyed without Commit, it leaves nothing behind.
class AtomicFile {
 public:
  static StatusOr<AtomicFile> Create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();

  // Writes all of `bytes` at `offset`.
  Status WriteAt(int64_t offset, std::span<const std::byte> bytes);
  // Sync, close, rename, sync of the folder. Nothing may be written afterwards.
  Status Commit();
  const std::string& path() const { return path_; }

 private:
  AtomicFile(std::string path, std::string temporary, int fd);
  void Discard();

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
};

}  // namespace gfn
