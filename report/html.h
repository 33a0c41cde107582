// Markup that is well-formed by construction: elements are closed in order, and every text and attribute is escaped.
// One class for HTML and for the SVG inside it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gfn::report {

// & < > " ' as references; control characters (but not line breaks and tabs) and invalid UTF-8 as U+FFFD.
std::string EscapeHtml(std::string_view text);

// A coordinate: at most two decimals, no trailing zeros. The value must be finite.
std::string Px(double value);

using Attribute = std::pair<std::string_view, std::string>;

class Markup {
 public:
  // Tags and attribute names are literals of this library and are not escaped. The tag must outlive the element.
  Markup& Open(std::string_view tag, std::initializer_list<Attribute> attributes = {});
  // Closes the element that was opened last.
  Markup& Close();
  // An element without content: "<path .../>", "<meta ...>".
  Markup& Leaf(std::string_view tag, std::initializer_list<Attribute> attributes = {});
  // <tag attributes>text</tag>
  Markup& Element(std::string_view tag, std::initializer_list<Attribute> attributes, std::string_view text);
  Markup& Text(std::string_view text);
  // Text in which `text between backticks` is set as <code>.
  Markup& RichText(std::string_view text);
  // A finished piece.
  Markup& Append(const Markup& piece);
  // The style sheet and the document type: not escaped, never data.
  Markup& Trusted(std::string_view markup);

  // All elements must be closed.
  const std::string& Finished() const;

 private:
  void Start(std::string_view tag, std::initializer_list<Attribute> attributes);

  std::string text_;
  std::vector<std::string_view> open_;
};

}  // namespace gfn::report
