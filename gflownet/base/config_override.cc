// Overrides of the command line, "a.b=value", into slots.
#include <algorithm>

#include "gflownet/base/config_loader.h"
#include "gflownet/base/overloaded.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

YamlNode TextNode(std::string_view text) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.text = text;
  return node;
}

bool IsMap(const std::string& value) {
  const StatusOr<YamlNode> node = ParseYaml(value, "value");
  return node.ok() && node->kind == YamlNode::Kind::kMap;
}

// Takes what stands at the path out of the tree. Items of lists stay: ListSlot.clear makes room in them.
void Remove(YamlNode& node, std::string_view path) {
  const size_t dot = path.find('.');
  const std::string_view key = path.substr(0, dot);
  if (dot == std::string_view::npos) {
    std::erase_if(node.entries, [&](const YamlEntry& entry) { return entry.key.text == key; });
    return;
  }
  for (YamlEntry& entry : node.entries) {
    if (entry.key.text == key) Remove(entry.value, path.substr(dot + 1));
  }
  if (const auto index = ParseInt(key); index && *index >= 0 && *index < static_cast<int64_t>(node.items.size()))
    Remove(node.items[static_cast<size_t>(*index)], path.substr(dot + 1));
}

}  // namespace

std::vector<std::string> RemoveReplaced(const std::vector<std::string>& overrides, YamlNode& document) {
  std::vector<std::string> left;
  for (const std::string& text : overrides) {
    if (const size_t equals = text.find('='); equals != std::string::npos && IsMap(text.substr(equals + 1))) {
      const std::string path = text.substr(0, equals);
      Remove(document, path);
      std::erase_if(
          left, [&](const std::string& earlier) { return earlier.starts_with(path + "=") || earlier.starts_with(path + "."); });
    }
    left.push_back(text);
  }
  return left;
}

std::string ReplacedHint(const ConfigOrigin& origin) {
  const size_t equals = origin.name.find('=');
  if (!origin.name.starts_with(kOverridePrefix) || equals == std::string::npos || !IsMap(origin.name.substr(equals + 1)))
    return "";
  const std::string path = origin.name.substr(kOverridePrefix.size(), equals - kOverridePrefix.size());
  return "; a map takes the place of all of '" + path + "': to change one key and leave the others write --set " + path +
         ".KEY=VALUE";
}

void ConfigLoader::Override(const std::string& text) {
  override_ = std::string(kOverridePrefix) + text;
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    Mistake({}, "", "expected KEY=VALUE, as in train.lr=1e-3");
  } else if (FindInvalidUtf8(text)) {
    Mistake({}, "", "not valid UTF-8");
  } else {
    Assign(root_, "", text.substr(0, equals), text.substr(equals + 1));
  }
  override_.clear();
}

// `path` is what led to the slot, `rest` the keys that are left.
void ConfigLoader::Assign(const ConfigSlot& slot, const std::string& path, const std::string& rest, const std::string& value) {
  if (rest.empty()) {
    AssignValue(slot, path, value);
  } else {
    AssignBelow(slot, path, rest, value);
  }
}

void ConfigLoader::AssignValue(const ConfigSlot& slot, const std::string& path, const std::string& value) {
  const auto* optional = std::get_if<OptionalSlot>(&slot.value);
  if (optional != nullptr && value != "" && value != "null" && value != "~") {
    if (!optional->has_value()) optional->emplace();
    return AssignValue(optional->get(), path, value);
  }
  const bool is_text = std::holds_alternative<StringSlot>(slot.value);
  if (is_text && !value.starts_with('"') && !value.starts_with('\'')) return Read(slot, TextNode(value), path);
  const StatusOr<YamlNode> node = ParseYaml(value, "value");
  if (!node.ok()) return Mistake({}, path, "not YAML: " + Message(node.status()));
  Read(slot, *node, path);
}

void ConfigLoader::AssignBelow(const ConfigSlot& slot, const std::string& path, const std::string& rest,
                               const std::string& value) {
  const size_t dot = rest.find('.');
  const std::string key = rest.substr(0, dot);
  const std::string deeper = dot == std::string::npos ? "" : rest.substr(dot + 1);
  const std::string child = JoinConfigPath(path, key);
  const auto into_struct = [&](const StructSlot& s, bool has_kind) {
    const std::vector<ConfigField> fields = s.fields();
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const ConfigField& f) { return f.name == key; });
    if (field == fields.end()) return UnknownKey(TextNode(key), child, fields, has_kind);
    Assign(field->slot, child, deeper, value);
  };
  std::visit(Overloaded{
                 [&](const StructSlot& s) { into_struct(s, /*has_kind=*/false); },
                 [&](const ChoiceSlot& s) {
                   if (key == "kind" && deeper.empty()) {
                     SelectKind(s, TextNode(value), path);
                   } else {
                     into_struct(std::get<StructSlot>(s.get().value), /*has_kind=*/true);
                   }
                 },
                 [&](const OptionalSlot& s) {
                   if (!s.has_value()) s.emplace();
                   AssignBelow(s.get(), path, rest, value);
                 },
                 [&](const ListSlot& s) {
                   const auto index = ParseInt(key);
                   if (index && *index >= 0 && *index < static_cast<int64_t>(s.size())) {
                     if (deeper.empty() && IsMap(value)) {
                       errors_.ForgetBelow(child);
                       s.clear(static_cast<size_t>(*index));
                     }
                     Assign(s.at(static_cast<size_t>(*index)), child, deeper, value);
                   } else {
                     Mistake(
                         {}, child,
                         "expected the index of one of the " + std::to_string(s.size()) + " items, from 0, found '" + key + "'");
                   }
                 },
                 [&](const auto&) { Mistake({}, child, "'" + path + "' is a single value and has no keys"); },
             },
             slot.value);
}

}  // namespace gfn
