// Reading YAML into slots.
#include <algorithm>
#include <map>

#include "gflownet/base/config_loader.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/overloaded.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

std::vector<std::string> KeysOf(const std::vector<ConfigField>& fields) {
  std::vector<std::string> keys;
  for (const ConfigField& field : fields) keys.emplace_back(field.name);
  return keys;
}

YamlNode ListOf(const YamlNode& node) {
  YamlNode list;
  list.kind = YamlNode::Kind::kList;
  list.line = node.line;
  list.column = node.column;
  list.items = {node};
  return list;
}

}  // namespace

ConfigLoader::ConfigLoader(const ConfigSlot& root, std::string name) : root_(root), name_(std::move(name)) {
  errors_.SetOrigin("", {name_});
}

void ConfigLoader::Mistake(const YamlNode& node, const std::string& path, const std::string& message) {
  errors_.AddAt(OriginOf(node), path, message);
}

ConfigOrigin ConfigLoader::OriginOf(const YamlNode& node) const {
  return override_.empty() ? ConfigOrigin{name_, node.line, node.column} : ConfigOrigin{override_};
}

// Where else in the configuration a key of this name is known: it may have been written at the wrong place.
std::string ConfigLoader::KnownElsewhere(std::string_view key) const {
  for (const ConfigEntry& entry : FlattenConfigSlot(root_)) {
    for (size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
      end = entry.path.find('.', begin);
      if (entry.path.substr(begin, end - begin) == key) return "; there is a key '" + entry.path.substr(0, end) + "'";
    }
  }
  return "";
}

void ConfigLoader::Read(const ConfigSlot& slot, const YamlNode& node, const std::string& path) {
  errors_.SetOrigin(path, OriginOf(node));
  const bool plain = node.kind == YamlNode::Kind::kScalar && !node.quoted;
  const auto expected = [&](const std::string& what) { Mistake(node, path, "expected " + what + ", found " + node.Describe()); };
  std::visit(Overloaded{
                 [&](const BoolSlot& s) {
                   if (!plain || (node.text != "true" && node.text != "false")) return expected("true or false");
                   *s.value = node.text == "true";
                 },
                 [&](const IntSlot& s) {
                   const auto value = plain ? ParseInt(node.text) : std::nullopt;
                   if (!value) return expected("an integer");
                   if (*value < s.min || *value > s.max) {
                     return expected("an integer of " + std::to_string(s.min) + " .. " + std::to_string(s.max));
                   }
                   s.set(*value);
                 },
                 [&](const RealSlot& s) {
                   const auto value = plain ? ParseReal(node.text) : std::nullopt;
                   if (!value) return expected("a finite number");
                   *s.value = *value;
                 },
                 [&](const StringSlot& s) {
                   if (node.kind != YamlNode::Kind::kScalar) return expected("a text (\"\" for an empty one)");
                   *s.value = node.text;
                 },
                 [&](const EnumSlot& s) {
                   std::vector<std::string> names;
                   for (const auto& choice : s.choices) names.emplace_back(choice.name);
                   if (node.kind != YamlNode::Kind::kScalar) return expected("one of " + Join(names, ", "));
                   const auto it = std::find(names.begin(), names.end(), node.text);
                   if (it == names.end()) return Mistake(node, path, UnknownName("value", node.text, "choices", names));
                   s.set(static_cast<size_t>(it - names.begin()));
                 },
                 [&](const StructSlot& s) { ReadKeys(s, node, path, /*has_kind=*/false); },
                 [&](const ListSlot& s) {
                   if (s.takes_one && node.kind == YamlNode::Kind::kScalar) return Read(slot, ListOf(node), path);
                   if (node.kind != YamlNode::Kind::kList) return expected("a list ([a, b])");
                   errors_.ForgetBelow(path);
                   s.resize(0);  // items of the default would shine through
                   s.resize(node.items.size());
                   for (size_t i = 0; i < node.items.size(); ++i)
                     Read(s.at(i), node.items[i], JoinConfigPath(path, std::to_string(i)));
                 },
                 [&](const OptionalSlot& s) {
                   if (node.kind == YamlNode::Kind::kNull) {
                     errors_.ForgetBelow(path);
                     return s.reset();
                   }
                   if (!s.has_value()) s.emplace();
                   Read(s.get(), node, path);
                 },
                 [&](const ChoiceSlot& s) {
                   if (node.kind != YamlNode::Kind::kMap)
                     return expected("a map of keys, 'kind' among them (one of " + Join(s.kinds, ", ") + ")");
                   const YamlNode* kind = nullptr;
                   for (const auto& [key, value] : node.entries) kind = key.text == "kind" && kind == nullptr ? &value : kind;
                   if (kind == nullptr) {
                     return Mistake(node, path,
                                    "missing key 'kind'; choices: " + Join(s.kinds, ", ") + ReplacedHint(OriginOf(node)));
                   }
                   if (SelectKind(s, *kind, path)) ReadKeys(std::get<StructSlot>(s.get().value), node, path, /*has_kind=*/true);
                 },
             },
             slot.value);
}

bool ConfigLoader::SelectKind(const ChoiceSlot& slot, const YamlNode& kind, const std::string& path) {
  const std::string kind_path = JoinConfigPath(path, "kind");
  const auto it =
      kind.kind == YamlNode::Kind::kScalar ? std::find(slot.kinds.begin(), slot.kinds.end(), kind.text) : slot.kinds.end();
  if (it == slot.kinds.end()) {
    const std::string found = kind.kind == YamlNode::Kind::kScalar ? kind.text : kind.Describe();
    Mistake(kind, kind_path, UnknownName("kind", found, "choices", slot.kinds));
    return false;
  }
  const size_t index = static_cast<size_t>(it - slot.kinds.begin());
  if (index != slot.index()) {
    errors_.ForgetBelow(path);
    slot.select(index);
  }
  errors_.SetOrigin(kind_path, OriginOf(kind));
  return true;
}

void ConfigLoader::ReadKeys(const StructSlot& slot, const YamlNode& node, const std::string& path, bool has_kind) {
  const bool empty_file = path.empty() && node.kind == YamlNode::Kind::kNull;
  if (node.kind != YamlNode::Kind::kMap && !empty_file) {
    return Mistake(node, path, "expected a map of keys, found " + node.Describe());
  }
  const std::vector<ConfigField> fields = slot.fields();
  std::map<std::string, int> lines;
  for (const auto& [key, value] : node.entries) {
    if (key.kind != YamlNode::Kind::kScalar) {
      Mistake(key, path, "expected a key, found " + key.Describe());
      continue;
    }
    const std::string child = JoinConfigPath(path, key.text);
    if (const auto [first, is_new] = lines.emplace(key.text, key.line); !is_new) {
      Mistake(key, child, "key '" + key.text + "' is given twice (first in line " + std::to_string(first->second) + ")");
      continue;
    }
    if (has_kind && key.text == "kind") continue;
    const auto field =
        std::find_if(fields.begin(), fields.end(), [&name = key.text](const ConfigField& f) { return f.name == name; });
    if (field == fields.end()) {
      UnknownKey(key, child, fields, has_kind);
    } else {
      Read(field->slot, value, child);
    }
  }
}

void ConfigLoader::UnknownKey(const YamlNode& node, const std::string& path, const std::vector<ConfigField>& fields,
                              bool has_kind) {
  std::vector<std::string> keys = KeysOf(fields);
  if (has_kind) keys.insert(keys.begin(), "kind");
  Mistake(node, path, UnknownName("key", node.text, "known keys here", keys) + KnownElsewhere(node.text));
}

}  // namespace gfn
