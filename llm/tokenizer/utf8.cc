#include "llm/tokenizer/utf8.h"

#include <cstring>

namespace gfn {
namespace {

// Bytes at the front that are ASCII, eight at a time.
size_t AsciiPrefix(std::string_view text) {
  size_t n = 0;
  for (; n + 8 <= text.size(); n += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + n, 8);
    if ((word & 0x8080808080808080u) != 0) break;
  }
  while (n < text.size() && static_cast<unsigned char>(text[n]) < 0x80) ++n;
  return n;
}

}  // namespace

std::string_view CharBefore(std::string_view text, size_t end) {
  size_t begin = end;
  while (begin > 0 && end - begin < 4) {
    --begin;
    if ((static_cast<unsigned char>(text[begin]) & 0xC0) != 0x80) break;
  }
  const std::string_view last = text.substr(begin, end - begin);
  return !last.empty() && Utf8CharLength(last) == last.size() ? last : std::string_view();
}

std::string_view CharAt(std::string_view text, size_t begin) { return text.substr(begin, Utf8CharLength(text.substr(begin))); }

void AppendUtf8(char32_t c, std::string* out) {
  const auto put = [out](char32_t byte) { out->push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

Utf8Run NextUtf8Run(std::string_view text, size_t* pos) {
  const size_t begin = *pos;
  size_t end = begin;
  const bool well_formed = Utf8CharLength(text.substr(begin)) > 0;
  while (end < text.size()) {
    if (well_formed) end += AsciiPrefix(text.substr(end));
    if (end == text.size()) break;
    const size_t length = Utf8CharLength(text.substr(end));
    if ((length > 0) != well_formed) break;
    end += well_formed ? length : 1;
  }
  *pos = end;
  return {text.substr(begin, end - begin), well_formed};
}

bool IsUnicodeSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

}  // namespace gfn
