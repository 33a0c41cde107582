#include "llm/tokenizer/byte_alphabet.h"

#include <array>

#include "llm/tokenizer/utf8.h"

namespace gfn {
namespace {

constexpr int kLargestChar = 0x143;  // the 68 bytes that are not printable become U+0100 .. U+0143

struct Alphabet {
  std::array<char32_t, 256> char_of_byte;
  std::array<int16_t, kLargestChar + 1> byte_of_char;
};

constexpr Alphabet MakeAlphabet() {
  Alphabet a{};
  a.byte_of_char.fill(-1);
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const char32_t c = printable ? static_cast<char32_t>(byte) : next++;
    a.char_of_byte[byte] = c;
    a.byte_of_char[c] = static_cast<int16_t>(byte);
  }
  return a;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

}  // namespace

std::optional<std::string> BytesOfAlphabet(std::string_view written) {
  std::string bytes;
  for (size_t pos = 0; pos < written.size();) {
    if (Utf8CharLength(written.substr(pos)) == 0) return std::nullopt;
    const char32_t c = NextUtf8Char(written, &pos);
    if (c > kLargestChar || kAlphabet.byte_of_char[c] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte_of_char[c]));
  }
  return bytes;
}

std::string AlphabetOfBytes(std::string_view bytes) {
  std::string written;
  for (const char byte : bytes) AppendUtf8(kAlphabet.char_of_byte[static_cast<unsigned char>(byte)], &written);
  return written;
}

}  // namespace gfn
