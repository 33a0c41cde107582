// Unicode normalisation form C (Unicode Standard Annex 15), which Qwen2's tokenizer.json asks for: a letter and its marks
// become one character where there is one.
#pragma once

#include <string>
#include <string_view>

namespace gfn {

// True if nothing can need composing: no character from U+0300 on. Quick, and enough for most English text.
bool IsSurelyNfc(std::string_view text);

// `text` must be well-formed UTF-8; so is the result.
std::string ToNfc(std::string_view text);

}  // namespace gfn
