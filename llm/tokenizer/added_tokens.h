// Tokens that are looked for in a text before anything is merged, and the two orders in which that is done.
//
// Hugging Face's `tokenizers`: from left to right, the longest at each place; what is found but may not be taken there (a special
// token in plain text, a single word inside a longer one) is stepped over as a whole. llama.cpp: the longest token of the
// vocabulary first, everywhere in the text, then the next.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gfn {

struct AddedToken {
  int32_t id = 0;
  std::string pattern;       // the bytes to look for
  bool single_word = false;  // not beside a letter, digit, mark or underscore
  bool strips_left = false;  // white space before or behind it belongs to it
  bool strips_right = false;
};

class AddedTokens {
 public:
  enum class Order { kLeftmost, kLongestFirst };
  // Bytes [begin, end) of a text: a token, or with id -1 what stands between tokens. Parts in order; those of text are not empty.
  struct Part {
    size_t begin, end;
    int32_t id;
  };
  // May the token be taken at [begin, end)?
  using Filter = std::function<bool(int32_t id, size_t begin, size_t end)>;

  // `space_is_mark`: the texts hold a space where SentencePiece has its mark U+2581, which is no white space.
  explicit AddedTokens(Order order = Order::kLeftmost, bool space_is_mark = false)
      : order_(order), space_is_mark_(space_is_mark) {}

  void Add(AddedToken token);
  bool empty() const { return tokens_.empty(); }
  std::vector<Part> Cut(std::string_view text, const Filter& may_take) const;

 private:
  const AddedToken* LongestAt(std::string_view text, size_t pos) const;
  std::vector<Part> FindLeftmost(std::string_view text, const Filter& may_take) const;
  std::vector<Part> FindLongestFirst(std::string_view text, const Filter& may_take) const;
  size_t SpaceBegin(std::string_view text, size_t first, size_t end) const;
  size_t SpaceEnd(std::string_view text, size_t begin) const;

  Order order_;
  bool space_is_mark_;
  std::vector<AddedToken> tokens_;
  std::array<std::vector<size_t>, 256> by_first_byte_;  // the longest first
};

}  // namespace gfn
