#include "gflownet/base/yaml_tree.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "gflownet/base/text_util.h"
#include "yaml-cpp/anchor.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

namespace gfn {
namespace {

constexpr size_t kMaxDepth = 64;

// Whether the quoted scalar that begins at `start` is closed: at the end of the text the parser closes it silently, which would
// swallow every key after a forgotten quote.
bool IsClosed(std::string_view text, size_t start) {
  const char quote = text[start];
  for (size_t i = start + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 == text.size() || text[i + 1] != quote) return true;
      ++i;  // '' stands for one '
    }
  }
  return false;
}

// The parser writes the escapes \_ (U+00A0) and \N (U+0085) as the single bytes A0 and 85 (jbeder/yaml-cpp 803). What it read was
// UTF-8 and it makes whole characters of every other escape, so a byte that belongs to no character is one of these two.
std::string WithWholeCharacters(std::string_view text) {
  std::string whole;
  while (const auto bad = FindInvalidUtf8(text)) {
    whole += text.substr(0, *bad);
    if (text[*bad] == '\xA0' || text[*bad] == '\x85') whole += '\xC2';
    whole += text[*bad];
    text.remove_prefix(*bad + 1);
  }
  return whole += text;
}

// Builds the tree from the parser's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string_view text) : text_(text) {}
  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Finish(Make(YamlNode::Kind::kNull, mark, "", anchor)); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { Refuse(mark, "an alias (*name)"); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    // The parser gives "?" to a plain scalar and "!" to one in quotes or a block.
    YamlNode node = Make(YamlNode::Kind::kScalar, mark, tag, anchor);
    node.quoted = tag == "!";
    node.text = WithWholeCharacters(value);
    // What is read here is stored in checkpoints and handed to the system as the names of files: it has to be text.
    if (FindInvalidUtf8(node.text)) throw YAML::ParserException(mark, "this text is not valid UTF-8 once its escapes are read");
    if (node.text.find('\0') != std::string::npos) throw YAML::ParserException(mark, "this text holds the character NUL");
    const size_t start = static_cast<size_t>(mark.pos);
    if (node.quoted && start < text_.size() && (text_[start] == '"' || text_[start] == '\'') && !IsClosed(text_, start)) {
      throw YAML::ParserException(mark, "this quote is never closed");
    }
    if (!node.quoted && (value.empty() || value == "null" || value == "~" || value == "Null" || value == "NULL")) {
      node.kind = YamlNode::Kind::kNull;
    }
    Finish(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, Make(YamlNode::Kind::kList, mark, tag, anchor));
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Open(mark, Make(YamlNode::Kind::kMap, mark, tag, anchor));
  }
  void OnMapEnd() override { Close(); }

 private:
  [[noreturn]] static void Refuse(const YAML::Mark& mark, const std::string& what) {
    throw YAML::ParserException(mark, what + " is not supported here; write the value itself");
  }

  static YamlNode Make(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) Refuse(mark, "an anchor (&name)");
    if (!tag.empty() && tag != "?" && tag != "!") Refuse(mark, "a tag (" + tag + ")");
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void Open(const YAML::Mark& mark, YamlNode node) {
    if (open_.size() >= kMaxDepth) {
      throw YAML::ParserException(mark, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    open_.push_back(std::move(node));
    keys_.emplace_back();
  }

  void Close() {
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    Finish(std::move(node));
  }

  void Finish(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().kind == YamlNode::Kind::kList) {
      open_.back().items.push_back(std::move(node));
    } else if (keys_.back().empty()) {
      keys_.back().push_back(std::move(node));  // the value comes next
    } else {
      open_.back().entries.push_back({std::move(keys_.back().front()), std::move(node)});
      keys_.back().clear();
    }
  }

  std::string_view text_;
  YamlNode root_;
  std::vector<YamlNode> open_;               // the lists and maps around the parser's place
  std::vector<std::vector<YamlNode>> keys_;  // for each of them, the key that waits for its value (none or one)
};

std::string Place(const std::string& name, int line, int column) {
  return name + ":" + std::to_string(line) + ":" + std::to_string(column) + ": ";
}

Status ByteError(const std::string& name, std::string_view text, size_t offset, const std::string& message) {
  const std::string_view before = text.substr(0, offset);
  const int line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 = 0
  return InvalidArgument(Place(name, line, static_cast<int>(offset - line_start) + 1) + message);
}

}  // namespace

std::string YamlNode::Describe() const {
  constexpr size_t kShown = 60;
  switch (kind) {
    case Kind::kNull:
      return "nothing (null)";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map of keys";
    case Kind::kScalar:
      break;
  }
  // Cut at a whole character.
  size_t end = std::min(text.size(), kShown);
  while (end < text.size() && end > 0 && (text[end] & 0xC0) == 0x80) --end;
  const std::string shown = text.substr(0, end) + (end < text.size() ? "..." : "");
  return quoted ? "the text \"" + shown + "\"" : "'" + shown + "'";
}

StatusOr<YamlNode> ParseYaml(std::string_view text, const std::string& name) {
  if (text.starts_with("\uFEFF")) text.remove_prefix(3);  // a byte order mark
  if (const auto bad = FindInvalidUtf8(text)) return ByteError(name, text, *bad, "not valid UTF-8");
  // YAML has no control characters, and the parser takes one of them (4) for the end of the file.
  const auto is_control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
  };
  if (const auto it = std::find_if(text.begin(), text.end(), is_control); it != text.end()) {
    return ByteError(name, text, static_cast<size_t>(it - text.begin()),
                     "a control character; in double quotes it can be written as \\xNN");
  }
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    TreeBuilder builder(text);
    parser.HandleNextDocument(builder);
    if (TreeBuilder second(text); parser.HandleNextDocument(second)) {
      const YamlNode node = second.TakeRoot();
      return InvalidArgument(Place(name, node.line, node.column) +
                             "text after the end of the document; a second one is not supported");
    }
    return builder.TakeRoot();
  } catch (const YAML::Exception& exception) {
    return InvalidArgument(exception.mark.is_null()
                               ? name + ": " + exception.msg
                               : Place(name, exception.mark.line + 1, exception.mark.column + 1) + exception.msg);
  }
}

}  // namespace gfn
