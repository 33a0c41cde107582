// Programmer errors: GFN_CHECK(condition) << "values"; prints the place, the condition and the values, and aborts. Where the code
// of others runs inside (a world of a user's own), the programmer may be the user, who is owed a message and not a core dump:
// while a ThrowOnCheckFailure lives, in any thread, a failure is thrown as CheckError.
#pragma once

#include <sstream>
#include <stdexcept>

namespace gfn {

class CheckError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

class ThrowOnCheckFailure {
 public:
  ThrowOnCheckFailure();
  ~ThrowOnCheckFailure();
  ThrowOnCheckFailure(const ThrowOnCheckFailure&) = delete;
  ThrowOnCheckFailure& operator=(const ThrowOnCheckFailure&) = delete;
};

}  // namespace gfn

namespace gfn::internal {

class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure() noexcept(false);
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
