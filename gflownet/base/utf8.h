// The one decoder of UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace gfn {

// The number of bytes of the well-formed character at the front of `text` (Unicode 15, table 3-7: no surrogates, no overlong
// forms), or 0 if there is none.
size_t Utf8CharLength(std::string_view text);

// The character at *pos of `text`, which must be well-formed; *pos moves behind it.
char32_t NextUtf8Char(std::string_view text, size_t* pos);

}  // namespace gfn
