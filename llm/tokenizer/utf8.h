// Characters of UTF-8 texts, and what is not one (beside base/utf8.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gflownet/base/utf8.h"

namespace gfn {

// The well-formed character that begins at `begin` or ends at `end`; "" where there is none.
std::string_view CharAt(std::string_view text, size_t begin);
std::string_view CharBefore(std::string_view text, size_t end);

void AppendUtf8(char32_t c, std::string* out);

// A maximal run of bytes that are all part of well-formed characters, or all not.
struct Utf8Run {
  std::string_view bytes;
  bool well_formed;
};
// The run that begins at *pos < text.size(); *pos moves behind it.
Utf8Run NextUtf8Run(std::string_view text, size_t* pos);

// The property White_Space of Unicode, which is what \s means in the pre-tokenisers' patterns.
bool IsUnicodeSpace(char32_t c);

}  // namespace gfn
