#include "gflownet/train/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "gflownet/base/file_util.h"

namespace gfn {
namespace {

// CRC-32C (Castagnoli), the checksum of TFRecords.
uint32_t Crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
      made[i] = crc;
    }
    return made;
  }();
  uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<uint8_t>(byte)) & 0xFF];
  return ~crc;
}
// Records hold checksums of data that may hold checksums, so they are rotated.
uint32_t Masked(uint32_t crc) { return std::rotr(crc, 15) + 0xA282EAD8u; }

template <class T>
void PutFixed(std::string& out, T value) {
  for (size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}
void PutVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
// Fields of protocol buffers: the number and wire type, then the value.
void PutDouble(std::string& out, int field, double value) {
  PutVarint(out, static_cast<uint64_t>(field) << 3 | 1);
  PutFixed(out, std::bit_cast<uint64_t>(value));
}
void PutFloat(std::string& out, int field, float value) {
  PutVarint(out, static_cast<uint64_t>(field) << 3 | 5);
  PutFixed(out, std::bit_cast<uint32_t>(value));
}
void PutInt(std::string& out, int field, uint64_t value) {
  PutVarint(out, static_cast<uint64_t>(field) << 3);
  PutVarint(out, value);
}
void PutBytes(std::string& out, int field, std::string_view value) {
  PutVarint(out, static_cast<uint64_t>(field) << 3 | 2);
  PutVarint(out, value.size());
  out += value;
}

// message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; SessionLog session_log = 7;
// }
std::string EventAt(double wall_time, int64_t step) {
  std::string event;
  PutDouble(event, 1, wall_time);
  PutInt(event, 2, static_cast<uint64_t>(step));
  return event;
}

}  // namespace

StatusOr<std::unique_ptr<EventFile>> EventFile::Create(const std::string& folder, double wall_time, int64_t first_step) {
  const std::string path =
      JoinPath(folder, "events.out.tfevents." + std::to_string(static_cast<int64_t>(wall_time)) + "." + std::to_string(getpid()));
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return FailedPrecondition(path + ": cannot be made: " + std::strerror(errno));
  std::unique_ptr<EventFile> file(new EventFile(path, fd));
  std::string version;
  PutDouble(version, 1, wall_time);
  PutBytes(version, 3, "brain.Event:2");
  RETURN_IF_ERROR(file->Write(version));
  if (first_step > 0) {
    // message SessionLog { SessionStatus status = 1; }, START = 1.
    std::string event = EventAt(wall_time, first_step), session;
    PutInt(session, 1, 1);
    PutBytes(event, 7, session);
    RETURN_IF_ERROR(file->Write(event));
  }
  return file;
}

EventFile::~EventFile() { close(fd_); }

Status EventFile::Append(int64_t step, std::string_view kind, const StepMetrics& metrics, double wall_time) {
  // message Summary { repeated Value value = 1; }, Value { string tag = 1; float simple_value = 2; }
  std::string summary;
  for (const auto& [name, number] : metrics.values()) {
    if (!std::isfinite(number)) continue;
    std::string value;
    PutBytes(value, 1, std::string(kind) + "/" + name);
    PutFloat(value, 2, static_cast<float>(number));
    PutBytes(summary, 1, value);
  }
  std::string event = EventAt(wall_time, step);
  PutBytes(event, 5, summary);
  return Write(event);
}

Status EventFile::Write(const std::string& event) {
  std::string record;
  PutFixed(record, static_cast<uint64_t>(event.size()));
  PutFixed(record, Masked(Crc32c(record)));
  record += event;
  PutFixed(record, Masked(Crc32c(event)));
  for (size_t done = 0; done < record.size();) {
    const ssize_t written = write(fd_, record.data() + done, record.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ResourceExhausted(path_ + ": cannot be written: " + std::strerror(errno));
    done += static_cast<size_t>(written);
  }
  return OkStatus();
}

}  // namespace gfn
