// Small text tools: joining, numbers that read back to the same value, and suggestions for a mistyped name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

std::string Join(const std::vector<std::string>& parts, std::string_view separator);

// Single insertions, deletions, substitutions and swaps of neighbours that turn a into b (optimal string alignment).
int EditDistance(std::string_view a, std::string_view b);

// The candidate closest to `word` if it is close enough to be a slip (at most a third of the letters, at least one).
std::optional<std::string> ClosestName(std::string_view word, const std::vector<std::string>& candidates);

// "unknown key 'lamda'; did you mean 'lambda'? known keys: a, b, lambda"   (what = "key", list = "known keys")
std::string UnknownName(std::string_view what, std::string_view word, std::string_view list,
                        const std::vector<std::string>& candidates);

// The shortest decimal text that reads back to the same double: "0.1", "1e-05", "3". Also "nan", "inf", "-inf".
std::string FormatReal(double value);

// Whole text or nothing, C locale. Reject inf, nan, hexadecimal, a leading '+', leading zeros, and what does not fit.
std::optional<int64_t> ParseInt(std::string_view text);
std::optional<double> ParseReal(std::string_view text);

// "712 B", "1.5 KiB", "2.0 GiB".
std::string FormatBytes(int64_t bytes);
// "4.2 s", "3:07", "2:03:07".
std::string FormatDuration(double seconds);
// Four significant digits for people: "0.1235", "1.235e-05", "12345".
std::string FormatShort(double value);

// Offset of the first byte that is not part of valid UTF-8 (no surrogates, no overlong forms), or nullopt.
std::optional<size_t> FindInvalidUtf8(std::string_view text);

}  // namespace gfn
