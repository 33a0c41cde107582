// Slots as YAML, as a flat list, and the difference of two lists.
#include <map>

#include "gflownet/base/config_reader.h"
#include "gflownet/base/overloaded.h"

namespace gfn {
namespace {

// The fields of a struct or of the chosen alternative, and its kind ("" for a struct).
struct Keys {
  std::string kind;
  std::vector<ConfigField> fields;
};

Keys KeysOf(const ConfigSlot& slot) {
  return std::visit(Overloaded{
                        [](const StructSlot& s) {
                          return Keys{"", s.fields()};
                        },
                        [](const ChoiceSlot& s) {
                          return Keys{s.kinds[s.index()], KeysOf(s.get()).fields};
                        },
                        [](const auto&) -> Keys {
                          GFN_CHECK(false) << "a value without keys";
                          return {};
                        },
                    },
                    slot.value);
}

// Appends the lines of a value with keys, each with `indent` spaces before it.
void WriteKeys(const ConfigSlot& slot, int indent, std::string* out);

// Appends what stands after "key:" or "-".
void WriteValue(const ConfigSlot& field, int indent, std::string* out) {
  const ConfigSlot slot = WithoutOptional(field);
  if (!HasKeys(slot)) {
    *out += " " + ScalarText(slot) + "\n";
  } else if (const auto* list = std::get_if<ListSlot>(&slot.value)) {
    *out += "\n";
    for (size_t i = 0; i < list->size(); ++i) {
      *out += std::string(indent, ' ') + "-";
      WriteValue(list->at(i), indent + 2, out);
    }
  } else if (const Keys keys = KeysOf(slot); keys.kind.empty() && keys.fields.empty()) {
    *out += " {}\n";
  } else {
    *out += "\n";
    WriteKeys(slot, indent, out);
  }
}

void WriteKeys(const ConfigSlot& slot, int indent, std::string* out) {
  const Keys keys = KeysOf(slot);
  const std::string spaces(indent, ' ');
  if (!keys.kind.empty()) *out += spaces + "kind: " + keys.kind + "\n";
  for (const ConfigField& field : keys.fields) {
    *out += spaces + std::string(field.name) + ":";
    WriteValue(field.slot, indent + 2, out);
  }
}

void Flatten(const ConfigSlot& field, const std::string& path, bool may_change, std::vector<ConfigEntry>* entries) {
  const ConfigSlot slot = WithoutOptional(field);
  if (!HasKeys(slot)) {
    entries->push_back({path, ScalarText(slot), may_change});
  } else if (const auto* list = std::get_if<ListSlot>(&slot.value)) {
    for (size_t i = 0; i < list->size(); ++i) Flatten(list->at(i), JoinConfigPath(path, std::to_string(i)), may_change, entries);
  } else {
    const Keys keys = KeysOf(slot);
    if (!keys.kind.empty()) entries->push_back({JoinConfigPath(path, "kind"), keys.kind, may_change});
    for (const ConfigField& field : keys.fields)
      Flatten(field.slot, JoinConfigPath(path, field.name), may_change || field.rules.may_change, entries);
  }
}

}  // namespace

std::string WriteConfigSlot(const ConfigSlot& root) {
  std::string out;
  WriteKeys(root, 0, &out);
  return out;
}

std::vector<ConfigEntry> FlattenConfigSlot(const ConfigSlot& root) {
  std::vector<ConfigEntry> entries;
  Flatten(root, "", /*may_change=*/false, &entries);
  return entries;
}

std::string FormatDifference(const ConfigDifference& difference) {
  const auto shown = [](const std::string& value) { return value.empty() ? std::string("(none)") : value; };
  return difference.path + ": " + shown(difference.old_value) + " -> " + shown(difference.new_value);
}

std::vector<ConfigDifference> DiffEntries(const std::vector<ConfigEntry>& before, const std::vector<ConfigEntry>& after) {
  std::map<std::string, std::string> old_values, new_values;
  for (const ConfigEntry& entry : before) old_values[entry.path] = entry.value;
  for (const ConfigEntry& entry : after) new_values[entry.path] = entry.value;
  std::vector<ConfigDifference> differences;
  for (const ConfigEntry& entry : before) {
    const auto it = new_values.find(entry.path);
    if (it == new_values.end() || it->second != entry.value) {
      differences.push_back({entry.path, entry.value, it == new_values.end() ? "" : it->second, entry.may_change});
    }
  }
  for (const ConfigEntry& entry : after) {
    if (!old_values.contains(entry.path)) differences.push_back({entry.path, "", entry.value, entry.may_change});
  }
  return differences;
}

}  // namespace gfn
