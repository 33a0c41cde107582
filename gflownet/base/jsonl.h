// JSON lines: one object a line. The writer knows its length in bytes, so that a resumed run can cut the file to the length
// that its checkpoint recorded and write the same lines again.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>

#include "gflownet/base/json_util.h"
#include "gflownet/base/status.h"

namespace gfn {

// Empty lines are skipped. Every message begins with "name:line".
class JsonlReader {
 public:
  static StatusOr<JsonlReader> Open(const std::string& path);
  // Borrows the stream (std::cin); `name` stands for it in messages.
  JsonlReader(std::istream& stream, std::string name);
  JsonlReader(JsonlReader&&) noexcept;
  ~JsonlReader();

  // false at the end. A line that is not a JSON object is an error; reading may go on after it.
  StatusOr<bool> Next(nlohmann::json* object);
  // "name:line" of the line that Next gave last.
  std::string Where() const;

 private:
  std::unique_ptr<std::istream> owned_;
  std::istream* stream_;
  std::string name_;
  int64_t line_ = 0;
};

class JsonlWriter {
 public:
  // Goes on at the end of the file, without the half line that a full disk or a kill may have left there; keep_bytes >= 0 cuts it
  // to that length first (DataLoss if it is shorter). Makes the file if there is none.
  static StatusOr<JsonlWriter> Open(const std::string& path, int64_t keep_bytes = -1);
  JsonlWriter(JsonlWriter&& other) noexcept;
  JsonlWriter& operator=(JsonlWriter&& other) noexcept;
  ~JsonlWriter();

  // One line, handed to the system at once (a killed process loses nothing).
  Status Append(const nlohmann::json& object);
  // fsync: a crashed machine loses nothing either.
  Status Sync();
  // Length of the file so far.
  int64_t bytes() const { return bytes_; }

 private:
  JsonlWriter(std::string path, int fd, int64_t bytes) : path_(std::move(path)), fd_(fd), bytes_(bytes) {}
  std::string path_;
  int fd_ = -1;
  int64_t bytes_ = 0;
};

}  // namespace gfn
