// How wide text is, in the columns of a terminal and in the pixels of a chart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gfn::report {

// One character read from the front of UTF-8 text. An invalid byte is U+FFFD with length 1.
struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;
};
CodePoint FirstCodePoint(std::string_view utf8);  // not empty

// Columns of a terminal: 0, 1 or 2. The blocks of wide characters follow Unicode's East Asian Width (W, F) and emoji
// presentation; the blocks of width 0 are the combining marks of the common scripts, joiners and variation selectors.
int CodePointColumns(uint32_t value);

// Estimated width in pixels of a text in the sans-serif fonts of the page, on the safe (wide) side.
double TextPixels(std::string_view utf8, double font_size);

}  // namespace gfn::report
