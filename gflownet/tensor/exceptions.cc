#include "gflownet/tensor/exceptions.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>

#include "gflownet/base/memory.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

// The CPU allocator of LibTorch throws a plain c10::Error when memory runs out.
bool SpeaksOfMemory(std::string_view message) {
  return message.find("can't allocate memory") != message.npos || message.find("not enough memory") != message.npos ||
         message.find("out of memory") != message.npos;
}

}  // namespace

Status StatusOfCurrentException(std::string_view what) {
  const std::string phase = TakeFailedPhase();
  const std::string place = phase.empty() ? "" : " (in " + phase + ")";
  const std::string prefix = std::string(what) + ": ";
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return ResourceExhausted(prefix + error.what_without_backtrace() + place);
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    return SpeaksOfMemory(message) ? ResourceExhausted(prefix + message + place) : Internal(prefix + message + place);
  } catch (const AllocationFailure& error) {
    return ResourceExhausted(prefix + error.what() + place);
  } catch (const std::bad_alloc&) {
    return ResourceExhausted(prefix + "out of memory at " + FormatBytes(CurrentRssBytes()) + place);
  } catch (const std::exception& error) {
    return Internal(prefix + error.what() + place);
  } catch (...) {
    return Internal(prefix + "an exception that is no std::exception" + place);
  }
}

}  // namespace gfn
