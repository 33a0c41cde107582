#include "report/well_formed.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <vector>

namespace gfn::report {
namespace {

// Reads a page from front to back; the first problem ends it. (No std::regex: it recurses once a character.)
class Reader {
 public:
  explicit Reader(std::string_view html) : html_(html) {}

  std::string Read() {
    if (!Take("<!DOCTYPE html>")) return "no document type";
    while (problem_.empty() && at_ < html_.size()) ReadText(), ReadTag();
    if (problem_.empty() && !open_.empty()) problem_ = "<" + open_.back() + "> is not closed";
    for (const std::string& link : links_) {
      if (problem_.empty() && !ids_.contains(link)) problem_ = "link to #" + link + " leads nowhere";
    }
    return problem_;
  }

 private:
  bool Take(std::string_view text) {
    if (!html_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  void Fail(const std::string& what) {
    const size_t begin = at_ > 40 ? at_ - 40 : 0;
    if (problem_.empty()) problem_ = what + " near \"" + std::string(html_.substr(begin, 120)) + "\"";
  }

  std::string TakeName() {
    std::string name;
    while (at_ < html_.size() && (std::isalnum(static_cast<unsigned char>(html_[at_])) != 0 || html_[at_] == '-'))
      name += html_[at_++];
    if (name.empty()) Fail("a name is missing");
    return name;
  }

  // Every & begins a reference.
  void CheckReferences(std::string_view text) {
    constexpr std::array<std::string_view, 5> kReferences = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t i = text.find('&'); i != std::string_view::npos; i = text.find('&', i + 1)) {
      const auto begins_here = [&](std::string_view reference) { return text.substr(i).starts_with(reference); };
      if (std::none_of(kReferences.begin(), kReferences.end(), begins_here)) Fail("bare &");
    }
  }

  void ReadText() {
    const size_t end = std::min(html_.find('<', at_), html_.size());
    if (open_.empty() || open_.back() != "style") CheckReferences(html_.substr(at_, end - at_));
    at_ = end;
  }

  void ReadAttribute(std::set<std::string>* seen) {
    const std::string name = TakeName();
    if (!seen->insert(name).second) Fail("attribute " + name + " twice");
    if (!Take("=\"")) return Fail("attribute " + name + " without a quoted value");
    const size_t end = html_.find('"', at_);
    if (end == std::string_view::npos) return Fail("value without an end");
    const std::string value(html_.substr(at_, end - at_));
    if (value.find_first_of("<>") != std::string::npos) Fail("< or > in a value");
    CheckReferences(value);
    if (name == "id" && !ids_.insert(value).second) Fail("id twice");
    if (name == "href") links_.insert(value.substr(std::min<size_t>(1, value.size())));
    at_ = end + 1;
  }

  void ReadTag() {
    if (at_ == html_.size() || !problem_.empty()) return;
    Take("<");
    if (Take("/")) {
      const std::string tag = TakeName();
      if (open_.empty() || open_.back() != tag)
        return Fail("</" + tag + "> closes " + (open_.empty() ? "nothing" : open_.back()));
      open_.pop_back();
      if (!Take(">")) Fail("an end tag has no end");
      return;
    }
    const std::string tag = TakeName();
    std::set<std::string> seen;
    while (problem_.empty() && Take(" ")) ReadAttribute(&seen);
    if (Take("/>")) return;
    if (!Take(">")) return Fail("a tag has no end");
    if (tag != "meta" && tag != "br" && tag != "hr") open_.push_back(tag);
  }

  std::string_view html_;
  size_t at_ = 0;
  std::vector<std::string> open_;
  std::set<std::string> ids_, links_;
  std::string problem_;
};

}  // namespace

std::string FindMalformed(std::string_view html) { return Reader(html).Read(); }

}  // namespace gfn::report
