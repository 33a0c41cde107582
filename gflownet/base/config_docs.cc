// The Markdown documentation of a configuration.
#include <algorithm>

#include "gflownet/base/config_reader.h"
#include "gflownet/base/overloaded.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

std::string Code(std::string_view text) { return "`" + std::string(text) + "`"; }

// A table's cells end at '|'.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c == '\n' ? ' ' : c;
  }
  return cell;
}

// Of a value whose lists have been given one item and whose optionals are filled.
std::string TypeName(const ConfigSlot& slot) {
  return std::visit(Overloaded{
                        [](const BoolSlot&) { return std::string("true or false"); },
                        [](const IntSlot&) { return std::string("integer"); },
                        [](const RealSlot&) { return std::string("number"); },
                        [](const StringSlot&) { return std::string("text"); },
                        [](const EnumSlot&) { return std::string("choice"); },
                        [](const StructSlot&) { return std::string("keys"); },
                        [](const ChoiceSlot&) { return std::string("kind"); },
                        [](const ListSlot& s) { return "list of " + TypeName(s.at(0)); },
                        [](const OptionalSlot& s) { return TypeName(s.get()) + " or null"; },
                    },
                    slot.value);
}

// Gives every list one item and every optional a value, so that what they may hold can be described.
void Fill(const ConfigSlot& slot) {
  if (const auto* list = std::get_if<ListSlot>(&slot.value)) {
    if (list->size() == 0) list->resize(1);
    Fill(list->at(0));
  } else if (const auto* optional = std::get_if<OptionalSlot>(&slot.value)) {
    if (!optional->has_value()) optional->emplace();
    Fill(optional->get());
  }
}

// What a filled value holds inside of its lists and optionals, and how its keys' path begins.
ConfigSlot Innermost(const ConfigSlot& slot, std::string* path) {
  if (const auto* list = std::get_if<ListSlot>(&slot.value)) {
    *path += "[]";
    return Innermost(list->at(0), path);
  }
  if (const auto* optional = std::get_if<OptionalSlot>(&slot.value)) return Innermost(optional->get(), path);
  return slot;
}

std::string Limits(const ConfigSlot& innermost, const ConfigRules& rules) {
  std::vector<std::string> limits;
  if (const auto* choice = std::get_if<EnumSlot>(&innermost.value)) {
    for (const auto& [name, help] : choice->choices)
      limits.push_back(Code(name) + (help.empty() ? "" : " (" + std::string(help) + ")"));
  }
  if (const auto* choice = std::get_if<ChoiceSlot>(&innermost.value)) {
    for (const std::string& kind : choice->kinds) limits.push_back(Code(kind));
  }
  if (const std::string range = rules.RangeText(); !range.empty()) limits.push_back(range);
  if (rules.non_empty) limits.push_back("not empty");
  if (rules.one_for_list) limits.push_back("one alone stands for a list of it");
  if (rules.may_change) limits.push_back("may change at a resume");
  return Join(limits, ", ");
}

std::string DefaultText(const ConfigField& field) {
  if (field.rules.required) return "required";
  const ConfigSlot slot = WithoutOptional(field.slot);
  if (const auto* choice = std::get_if<ChoiceSlot>(&slot.value)) return Code(choice->kinds[choice->index()]);
  return HasKeys(slot) ? "below" : Code(ScalarText(slot));
}

void DocumentKeys(const StructSlot& keys, const std::string& path, std::string* out);

// The sections of what has keys of its own.
void DocumentBelow(const ConfigSlot& innermost, const std::string& path, std::string* out) {
  if (const auto* keys = std::get_if<StructSlot>(&innermost.value)) {
    *out += "\n## " + Code(path) + "\n\n";
    DocumentKeys(*keys, path, out);
  } else if (const auto* choice = std::get_if<ChoiceSlot>(&innermost.value)) {
    for (size_t i = 0; i < choice->kinds.size(); ++i) {
      choice->select(i);
      *out += "\n## " + Code(path) + " with " + Code("kind: " + choice->kinds[i]) + "\n\n";
      DocumentKeys(std::get<StructSlot>(choice->get().value), path, out);
    }
  }
}

void DocumentKeys(const StructSlot& keys, const std::string& path, std::string* out) {
  const std::vector<ConfigField> fields = keys.fields();
  if (fields.empty()) {
    *out += "No keys of its own.\n";
    return;
  }
  *out += "| key | type | default | limits | meaning |\n|---|---|---|---|---|\n";
  std::string below;
  for (const ConfigField& field : fields) {
    const std::string default_text = DefaultText(field);  // before Fill changes the value
    Fill(field.slot);
    std::string inner_path = JoinConfigPath(path, field.name);
    const ConfigSlot innermost = Innermost(field.slot, &inner_path);
    *out += "| " + Code(JoinConfigPath(path, field.name)) + " | " + TypeName(field.slot) + " | " + Cell(default_text) + " | " +
            Cell(Limits(innermost, field.rules)) + " | " + Cell(field.help) + " |\n";
    DocumentBelow(innermost, inner_path, &below);
  }
  *out += below;
}

}  // namespace

std::string DocumentConfigSlot(const ConfigSlot& root) {
  std::string out;
  DocumentKeys(std::get<StructSlot>(root.value), "", &out);
  return out;
}

}  // namespace gfn
