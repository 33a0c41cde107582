#include "tasks/arithmetic/calculator.h"

#include <string>
#include <vector>

#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

constexpr int64_t kMost = 999'999'999'999'999;  // 15 digits: a product of two numbers in range is checked before it is made

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view SkipSpaces(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

// A number with an optional sign, taken off the front.
std::optional<int64_t> TakeNumber(std::string_view& text) {
  text = SkipSpaces(text);
  const bool negative = !text.empty() && text.front() == '-';
  size_t end = negative ? 1 : 0;
  while (end < text.size() && IsDigit(text[end])) ++end;
  const auto value = ParseInt(text.substr(0, end));  // refuses leading zeros
  if (!value || *value > kMost || *value < -kMost) return std::nullopt;
  text = SkipSpaces(text.substr(end));
  return value;
}

std::optional<int64_t> InRange(__int128 value) {
  if (value > kMost || value < -kMost) return std::nullopt;
  return static_cast<int64_t>(value);
}

}  // namespace

std::optional<int64_t> Calculate(std::string_view expression, int64_t max_operands) {
  std::optional<int64_t> product = TakeNumber(expression), sum = 0;
  for (int64_t operands = 1; product && sum; ++operands) {
    if (operands > max_operands) return std::nullopt;
    if (expression.empty()) return InRange(static_cast<__int128>(*sum) + *product);
    const char op = expression.front();
    if (op != '+' && op != '-' && op != '*') return std::nullopt;
    expression.remove_prefix(1);
    const std::optional<int64_t> number = TakeNumber(expression);
    if (!number) return std::nullopt;
    if (op == '*') {
      product = InRange(static_cast<__int128>(*product) * *number);
    } else {
      sum = InRange(static_cast<__int128>(*sum) + *product);
      product = op == '-' ? -*number : *number;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> AskedExpression(std::string_view text) {
  if (!text.ends_with('=')) return std::nullopt;
  text.remove_suffix(1);
  const size_t from = text.find_last_of(",.;=\n");
  return from == std::string_view::npos ? text : text.substr(from + 1);
}

std::optional<int64_t> LastNumber(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && !IsDigit(text[end - 1])) --end;
  size_t begin = end;
  while (begin > 0 && IsDigit(text[begin - 1])) --begin;
  // "2-8" holds the numbers 2 and 8, " -8" the number -8.
  const bool is_sign = begin > 0 && text[begin - 1] == '-' && (begin == 1 || !IsDigit(text[begin - 2]));
  return ParseInt(text.substr(begin - (is_sign ? 1 : 0), end - begin + (is_sign ? 1 : 0)));
}

}  // namespace gfn
