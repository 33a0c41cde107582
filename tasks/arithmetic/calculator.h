// A calculator for rationales: what stands behind "=" when its left side is an expression that it can compute.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gfn {

// The value of whole numbers joined by + - *, products first: "6 - 4", "2 * -3 + 1". Nothing for anything else: more than
// `max_operands` numbers, letters, brackets, two operators in a row other than a sign, numbers or results beyond 15 digits.
std::optional<int64_t> Calculate(std::string_view expression, int64_t max_operands);

// The expression that an "=" at the end of `text` asks about: what stands behind the last comma, full stop, semicolon, line break
// or earlier "="; nothing if `text` does not end with "=".
std::optional<std::string_view> AskedExpression(std::string_view text);

// The last whole number of a text, as an answer is read: "2 - 8 = -6" is -6. Nothing without one.
std::optional<int64_t> LastNumber(std::string_view text);

}  // namespace gfn
