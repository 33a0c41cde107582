#include "gflownet/base/file_util.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "gflownet/base/digest.h"
#include "gflownet/base/mapped_file.h"

namespace gfn {
namespace {

namespace fs = std::filesystem;

Status FileError(const std::string& path, std::string_view what, const std::error_code& error) {
  const std::string message = path + ": cannot " + std::string(what) + ": " + error.message();
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory) return NotFound(message);
  if (error == std::errc::no_space_on_device || error == std::errc::file_too_large) return ResourceExhausted(message);
  return FailedPrecondition(message);  // no permission, a read-only file system: the command was right
}

std::string_view AsText(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace

bool FileExists(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool FolderExists(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::string JoinPath(std::string_view folder, std::string_view name) { return (fs::path(folder) / fs::path(name)).string(); }

std::string ParentFolder(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string BaseName(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return fs::path(path).filename().string();
}

StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  if (file.size() > max_bytes) {
    return ResourceExhausted(path + ": has " + std::to_string(file.size()) + " bytes, at most " + std::to_string(max_bytes) +
                             " were expected");
  }
  return std::string(file.text());
}

StatusOr<std::string> ReadFileTail(const std::string& path, int64_t max_bytes) {
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return std::string(AsText(file.bytes().last(std::min(file.size(), max_bytes))));
}

StatusOr<int64_t> FileSize(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return FileError(path, "read the size", error);
  return static_cast<int64_t>(size);
}

StatusOr<uint64_t> FileDigest(const std::string& path) {
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  file.WillReadAll();
  return HashBytes(file.bytes());
}

Status WriteFileAtomic(const std::string& path, std::string_view content) {
  ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  RETURN_IF_ERROR(file.WriteAt(0, std::as_bytes(std::span(content))));
  return file.Commit();
}

Status TruncateFile(const std::string& path, int64_t size) {
  ASSIGN_OR_RETURN(const int64_t found, FileSize(path));
  if (found < size) {
    return DataLoss(path + ": has " + std::to_string(found) + " bytes, at least " + std::to_string(size) + " were expected");
  }
  std::error_code error;
  fs::resize_file(path, static_cast<uintmax_t>(size), error);
  return error ? FileError(path, "shorten", error) : OkStatus();
}

Status MakeFolders(const std::string& path) {
  std::error_code error;
  for (fs::path part = fs::path(path).lexically_normal(); !part.empty() && part != part.parent_path();
       part = part.parent_path()) {
    const fs::path link = part.has_filename() ? part : part.parent_path();
    if (fs::is_symlink(link, error) && !fs::exists(link, error)) {
      return NotFound(link.string() + ": is a symbolic link to " + fs::read_symlink(link, error).string() +
                      ", which does not exist; make that folder or remove the link");
    }
  }
  fs::create_directories(path, error);
  return error ? FileError(path, "make the folder", error) : OkStatus();
}

StatusOr<std::vector<std::string>> ListFolder(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) return FileError(path, "list the folder", error);
  std::sort(names.begin(), names.end());
  return names;
}

Status RemoveAll(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return error ? FileError(path, "remove", error) : OkStatus();
}

Status RemoveFile(const std::string& path) {
  std::error_code error;
  if (fs::symlink_status(path, error).type() != fs::file_type::regular) return OkStatus();
  fs::remove(path, error);
  return error ? FileError(path, "remove", error) : OkStatus();
}

Status RemoveEmptyFolder(const std::string& path) {
  std::error_code error;
  if (fs::symlink_status(path, error).type() != fs::file_type::directory || !fs::is_empty(path, error)) return OkStatus();
  fs::remove(path, error);
  if (error == std::errc::directory_not_empty) return OkStatus();  // somebody was faster
  return error ? FileError(path, "remove", error) : OkStatus();
}

Status SyncFolderTree(const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(path));
  for (const std::string& name : names) {
    const std::string child = JoinPath(path, name);
    if (FolderExists(child)) {
      RETURN_IF_ERROR(SyncFolderTree(child));
    } else {
      RETURN_IF_ERROR(SyncPath(child));
    }
  }
  return SyncPath(path);
}

Status RenameIntoPlace(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return FileError(from, "rename to " + to, error);
  return SyncPath(ParentFolder(to));
}

}  // namespace gfn
