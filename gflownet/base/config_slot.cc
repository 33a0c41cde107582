#include "gflownet/base/config_slot.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/config_make_slot.h"
#include "gflownet/base/overloaded.h"
#include "gflownet/base/text_util.h"

namespace gfn {

void ConfigFieldCollector::Add(ConfigField field) {
  GFN_CHECK(!field.name.empty() && field.name != "kind" && field.name.find_first_of(".=: ") == std::string_view::npos)
      << "'" << field.name << "' cannot be the key of a config struct";
  for (const ConfigField& other : fields) GFN_CHECK(other.name != field.name) << "key '" << field.name << "' is listed twice";
  if (auto* list = std::get_if<ListSlot>(&field.slot.value)) list->takes_one = field.rules.one_for_list;
  fields.push_back(std::move(field));
}

std::string ConfigRules::RangeText() const {
  const bool has_min = std::isfinite(min), has_max = std::isfinite(max);
  if (has_min && has_max) {
    return std::string("in ") + (min_open ? "(" : "[") + FormatReal(min) + ", " + FormatReal(max) + (max_open ? ")" : "]");
  }
  if (has_min) return std::string(min_open ? "> " : ">= ") + FormatReal(min);
  if (has_max) return std::string(max_open ? "< " : "<= ") + FormatReal(max);
  return "";
}

namespace {

// Whether the text, without quotes, is read back as this text also by other YAML readers and inside [ ].
bool IsPlain(std::string_view text) {
  static constexpr std::string_view kWords[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/'; };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  if (text.empty() || !letter(text[0]) || !std::all_of(text.begin(), text.end(), inner)) return false;
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::find(std::begin(kWords), std::end(kWords), lower) == std::end(kWords);
}

// In double quotes. Everything that a YAML reader could fold, strip or mistake for a line break is escaped.
std::string Quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string quoted = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    const std::string_view three = text.substr(i, 3);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += text[i];
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (c < 0x20 || c == 0x7F) {
      quoted += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
    } else if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) {  // U+0080 .. U+009F
      const unsigned char low = static_cast<unsigned char>(text[++i]);
      quoted += {'\\', 'x', kHex[low >> 4], kHex[low & 15]};
    } else if (three == "\u2028" || three == "\u2029" || three == "\uFEFF") {  // line and paragraph separator, byte order mark
      quoted += three == "\u2028" ? "\\u2028" : three == "\u2029" ? "\\u2029" : "\\uFEFF";
      i += 2;
    } else {
      quoted += text[i];
    }
  }
  return quoted + "\"";
}

}  // namespace

std::string ScalarText(const ConfigSlot& slot) {
  return std::visit(Overloaded{
                        [](const BoolSlot& s) { return std::string(*s.value ? "true" : "false"); },
                        [](const IntSlot& s) { return std::to_string(s.get()); },
                        [](const RealSlot& s) { return FormatReal(*s.value); },
                        [](const StringSlot& s) { return IsPlain(*s.value) ? *s.value : Quote(*s.value); },
                        [](const EnumSlot& s) { return std::string(s.choices[s.get()].name); },
                        [](const OptionalSlot& s) { return s.has_value() ? ScalarText(s.get()) : std::string("null"); },
                        [](const ListSlot& s) {
                          std::vector<std::string> items;
                          for (size_t i = 0; i < s.size(); ++i) items.push_back(ScalarText(s.at(i)));
                          return "[" + Join(items, ", ") + "]";
                        },
                        [](const StructSlot&) -> std::string {
                          GFN_CHECK(false) << "a struct has no text of one line";
                          return {};
                        },
                        [](const ChoiceSlot&) -> std::string {
                          GFN_CHECK(false) << "a choice has no text of one line";
                          return {};
                        },
                    },
                    slot.value);
}

ConfigSlot WithoutOptional(const ConfigSlot& slot) {
  const auto* optional = std::get_if<OptionalSlot>(&slot.value);
  return optional != nullptr && optional->has_value() ? WithoutOptional(optional->get()) : slot;
}

bool HasKeys(const ConfigSlot& slot) {
  return std::visit(Overloaded{
                        [](const StructSlot&) { return true; },
                        [](const ChoiceSlot&) { return true; },
                        [](const ListSlot& s) {
                          for (size_t i = 0; i < s.size(); ++i) {
                            if (HasKeys(s.at(i))) return true;
                          }
                          return false;
                        },
                        [](const OptionalSlot& s) { return s.has_value() && HasKeys(s.get()); },
                        [](const auto&) { return false; },
                    },
                    slot.value);
}

}  // namespace gfn
