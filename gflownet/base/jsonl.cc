#include "gflownet/base/jsonl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>
#include <utility>

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/mapped_file.h"
#include "nlohmann/json.hpp"

namespace gfn {

StatusOr<JsonlReader> JsonlReader::Open(const std::string& path) {
  if (FolderExists(path)) return InvalidArgument(path + ": expected a file, found a folder");
  auto file = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!*file) return NotFound(path + ": cannot open: " + std::strerror(errno));
  if (FileExists(path)) RETURN_IF_ERROR(MappedFile::Open(path).status());  // a Git LFS pointer is no data
  JsonlReader reader(*file, path);
  reader.owned_ = std::move(file);
  return reader;
}

JsonlReader::JsonlReader(std::istream& stream, std::string name) : stream_(&stream), name_(std::move(name)) {}
JsonlReader::JsonlReader(JsonlReader&&) noexcept = default;
JsonlReader::~JsonlReader() = default;

StatusOr<bool> JsonlReader::Next(nlohmann::json* object) {
  std::string text;
  while (std::getline(*stream_, text)) {
    ++line_;
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    ASSIGN_OR_RETURN(*object, ParseJson(text, Where()));
    if (!object->is_object()) {
      return DataLoss(Where() + ": expected a JSON object ({...}) on every line, found " + object->type_name());
    }
    return true;
  }
  if (stream_->bad()) return DataLoss(name_ + ": reading failed after line " + std::to_string(line_));
  return false;
}

std::string JsonlReader::Where() const { return name_ + ":" + std::to_string(line_); }

namespace {

Status CutHalfLine(const std::string& path) {
  constexpr int64_t kLongestLine = 1 << 20;
  ASSIGN_OR_RETURN(const int64_t size, FileSize(path));
  if (size == 0) return OkStatus();
  ASSIGN_OR_RETURN(const std::string tail, ReadFileTail(path, kLongestLine));
  if (tail.ends_with('\n')) return OkStatus();
  const size_t newline = tail.rfind('\n');
  const size_t kept = newline == std::string::npos ? 0 : newline + 1;
  return TruncateFile(path, size - static_cast<int64_t>(tail.size() - kept));
}

}  // namespace

StatusOr<JsonlWriter> JsonlWriter::Open(const std::string& path, int64_t keep_bytes) {
  if (keep_bytes > 0 || (keep_bytes == 0 && FileExists(path))) RETURN_IF_ERROR(TruncateFile(path, keep_bytes));
  if (keep_bytes < 0 && FileExists(path)) RETURN_IF_ERROR(CutHalfLine(path));
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return FailedPrecondition(path + ": cannot open for writing: " + std::strerror(errno));
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    const int error = errno;
    ::close(fd);
    return FailedPrecondition(path + ": cannot stat: " + std::strerror(error));
  }
  return JsonlWriter(path, fd, info.st_size);
}

JsonlWriter::JsonlWriter(JsonlWriter&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_) {}

JsonlWriter& JsonlWriter::operator=(JsonlWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

JsonlWriter::~JsonlWriter() {
  if (fd_ >= 0) ::close(fd_);
}

Status JsonlWriter::Append(const nlohmann::json& object) {
  GFN_CHECK(object.is_object()) << "a line of " << path_ << " must be an object, found " << object.type_name();
  StatusOr<std::string> line = JsonToText(object);
  if (!line.ok()) return Annotate(line.status(), path_);
  *line += '\n';
  for (std::string_view rest = *line; !rest.empty();) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ResourceExhausted(path_ + ": cannot write: " + std::strerror(errno));
    }
    rest.remove_prefix(static_cast<size_t>(written));
    bytes_ += written;
  }
  return OkStatus();
}

Status JsonlWriter::Sync() {
  return ::fsync(fd_) == 0 ? OkStatus() : ResourceExhausted(path_ + ": cannot sync: " + std::strerror(errno));
}

}  // namespace gfn
