// Errors of the outside world (files, YAML, checkpoints, tokenizers, the command line) are values: Status and StatusOr<T>.
//
// Debian's Abseil is built with its own string_view, so absl::InvalidArgumentError(std::string_view) does not compile; this
// header and status.cc are the one place that converts. A message says what was found, what was expected, and where.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gfn {

using Status = absl::Status;
template <class T>
using StatusOr = absl::StatusOr<T>;

inline Status OkStatus() { return absl::OkStatus(); }

// Wrong usage, configuration or argument: the command line exits with 2.
Status InvalidArgument(std::string_view message);
// A file, folder or item that does not exist.
Status NotFound(std::string_view message);
// A file whose content is damaged or not of the format it should be.
Status DataLoss(std::string_view message);
// The state of the world forbids it (a lock is held, a checkpoint is of another run).
Status FailedPrecondition(std::string_view message);
// Memory, disk or another limit.
Status ResourceExhausted(std::string_view message);
// A valid request that this build or format does not support.
Status Unimplemented(std::string_view message);
// Anything else, exceptions of libraries among it.
Status Internal(std::string_view message);
// Stopped by a signal or a time limit: what was done is saved.
Status Cancelled(std::string_view message);

// The message of a status as std::string.
std::string Message(const Status& status);
// The same status with "context: " before its message.
Status Annotate(const Status& status, std::string_view context);

}  // namespace gfn

#define GFN_CONCAT_INNER(a, b) a##b
#define GFN_CONCAT(a, b) GFN_CONCAT_INNER(a, b)

// Returns from the enclosing function if the expression is not OK.
#define RETURN_IF_ERROR(expr)                                                   \
  do {                                                                          \
    if (::gfn::Status gfn_status = (expr); !gfn_status.ok()) return gfn_status; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, F());
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_INNER(GFN_CONCAT(gfn_status_or_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_INNER(name, lhs, expr)    \
  auto name = (expr);                              \
  if (!name.ok()) return std::move(name).status(); \
  lhs = std::move(name).value()
