#include "gflownet/base/status.h"

namespace gfn {
namespace {

Status Make(absl::StatusCode code, std::string_view message) {
  return Status(code, absl::string_view(message.data(), message.size()));
}

}  // namespace

Status InvalidArgument(std::string_view message) { return Make(absl::StatusCode::kInvalidArgument, message); }
Status NotFound(std::string_view message) { return Make(absl::StatusCode::kNotFound, message); }
Status DataLoss(std::string_view message) { return Make(absl::StatusCode::kDataLoss, message); }
Status FailedPrecondition(std::string_view message) { return Make(absl::StatusCode::kFailedPrecondition, message); }
Status ResourceExhausted(std::string_view message) { return Make(absl::StatusCode::kResourceExhausted, message); }
Status Unimplemented(std::string_view message) { return Make(absl::StatusCode::kUnimplemented, message); }
Status Internal(std::string_view message) { return Make(absl::StatusCode::kInternal, message); }
Status Cancelled(std::string_view message) { return Make(absl::StatusCode::kCancelled, message); }

std::string Message(const Status& status) { return std::string(status.message().data(), status.message().size()); }

Status Annotate(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  return Make(status.code(), std::string(context) + ": " + Message(status));
}

}  // namespace gfn
