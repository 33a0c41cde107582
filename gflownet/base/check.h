// Programmer errors: GFN_CHECK(condition) << "values"; prints the place, the condition and the values, and aborts.
#pragma once

#include <sstream>

namespace gfn::internal {

class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure();
  std::ostream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

// Turns a stream expression into void so that both branches of ?: agree.
struct Voidify {
  void operator&(std::ostream&) {}
};

}  // namespace gfn::internal

#define GFN_CHECK(condition) \
  (condition) ? (void)0 : ::gfn::internal::Voidify() & ::gfn::internal::CheckFailure(__FILE__, __LINE__, #condition).stream()
#define GFN_CHECK_OP(a, op, b) GFN_CHECK((a)op(b)) << " (" << (a) << " vs " << (b) << ") "
#define GFN_CHECK_EQ(a, b) GFN_CHECK_OP(a, ==, b)
#define GFN_CHECK_NE(a, b) GFN_CHECK_OP(a, !=, b)
#define GFN_CHECK_LT(a, b) GFN_CHECK_OP(a, <, b)
#define GFN_CHECK_LE(a, b) GFN_CHECK_OP(a, <=, b)
#define GFN_CHECK_GE(a, b) GFN_CHECK_OP(a, >=, b)
#define GFN_CHECK_GT(a, b) GFN_CHECK_OP(a, >, b)
