// The alphabet of byte-level BPE files: each byte is written as one printable character, so that vocabularies and merges are
// texts without spaces ("Ġthe" is " the"). Source: bytes_to_unicode of openai/gpt-2, src/encoder.py.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gfn {

// The bytes that a token is written for, or none if it holds a character outside the alphabet or is not UTF-8.
std::optional<std::string> BytesOfAlphabet(std::string_view written);

// How these bytes are written.
std::string AlphabetOfBytes(std::string_view bytes);

}  // namespace gfn
