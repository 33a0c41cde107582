#include "report/html.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "gflownet/base/check.h"
#include "report/text_width.h"

namespace gfn::report {
namespace {

// HTML's elements without an end tag, as far as the report uses them. SVG's are self-closing.
constexpr std::array<std::string_view, 3> kVoidElements = {"meta", "br", "hr"};
// A line break after these keeps the page readable in an editor; inside text it would change the picture.
constexpr std::array<std::string_view, 14> kBlocks = {"article", "details", "div",     "figure", "footer", "g",     "head",
                                                      "header",  "p",       "section", "style",  "svg",    "table", "tr"};

template <size_t N>
bool IsOneOf(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    const bool control = (c.value < 0x20 && c.value != '\n' && c.value != '\t') || (c.value >= 0x7F && c.value < 0xA0);
    switch (c.value) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (control || c.value == 0xFFFD) {
          out += "\xEF\xBF\xBD";
        } else {
          out += text.substr(0, c.length);
        }
    }
    text.remove_prefix(c.length);
  }
  return out;
}

std::string Px(double value) {
  GFN_CHECK(std::isfinite(value)) << value;
  std::array<char, 400> buffer;
  std::snprintf(buffer.data(), buffer.size(), "%.2f", value);
  std::string text = buffer.data();
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

void Markup::Start(std::string_view tag, std::initializer_list<Attribute> attributes) {
  text_.append("<").append(tag);
  for (const auto& [name, value] : attributes)
    text_.append(" ").append(name).append("=\"").append(EscapeHtml(value)).append("\"");
}

Markup& Markup::Open(std::string_view tag, std::initializer_list<Attribute> attributes) {
  Start(tag, attributes);
  text_ += ">";
  open_.push_back(tag);
  return *this;
}

Markup& Markup::Close() {
  GFN_CHECK(!open_.empty()) << "nothing is open after " << text_.substr(text_.size() > 80 ? text_.size() - 80 : 0);
  text_.append("</").append(open_.back()).append(">");
  if (IsOneOf(kBlocks, open_.back())) text_ += "\n";
  open_.pop_back();
  return *this;
}

Markup& Markup::Leaf(std::string_view tag, std::initializer_list<Attribute> attributes) {
  Start(tag, attributes);
  text_ += IsOneOf(kVoidElements, tag) ? ">" : "/>";
  return *this;
}

Markup& Markup::Element(std::string_view tag, std::initializer_list<Attribute> attributes, std::string_view text) {
  return Open(tag, attributes).Text(text).Close();
}

Markup& Markup::Text(std::string_view text) {
  text_ += EscapeHtml(text);
  return *this;
}

Markup& Markup::RichText(std::string_view text) {
  while (true) {
    const size_t begin = text.find('`');
    const size_t end = begin == std::string_view::npos ? begin : text.find('`', begin + 1);
    if (end == std::string_view::npos) return Text(text);  // an unpaired backtick is text
    Text(text.substr(0, begin)).Element("code", {}, text.substr(begin + 1, end - begin - 1));
    text.remove_prefix(end + 1);
  }
}

Markup& Markup::Append(const Markup& piece) {
  text_ += piece.Finished();
  return *this;
}

Markup& Markup::Trusted(std::string_view markup) {
  text_ += markup;
  return *this;
}

const std::string& Markup::Finished() const {
  GFN_CHECK(open_.empty()) << "<" << open_.back() << "> is still open";
  return text_;
}

}  // namespace gfn::report
