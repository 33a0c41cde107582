// The numbers of a run as TensorBoard reads them: a file events.out.tfevents.* of TFRecords, each an Event message with one
// simple value. The format is that of tensorflow/core/util/event.proto and lib/io/record_writer; only what is needed of it is
// written here, byte by byte.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gflownet/base/status.h"
#include "gflownet/train/metrics.h"

namespace gfn {

class EventFile {
 public:
  // A new file in `folder`, named by `wall_time` (seconds since 1970): each process of a resumed run writes one of its own, and
  // tells TensorBoard that what was shown from `first_step` on is void.
  static StatusOr<std::unique_ptr<EventFile>> Create(const std::string& folder, double wall_time, int64_t first_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // Every finite value, under "kind/name", and handed to the system before it returns.
  Status Append(int64_t step, std::string_view kind, const StepMetrics& metrics, double wall_time);
  const std::string& path() const { return path_; }

 private:
  EventFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status Write(const std::string& event);

  std::string path_;
  int fd_;
};

}  // namespace gfn
