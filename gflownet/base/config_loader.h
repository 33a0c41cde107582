// The steps of reading a configuration, with the mistakes collected on the way. Users want gflownet/base/config_reader.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_slot.h"
#include "gflownet/base/yaml_tree.h"

namespace gfn {

// How the origin of a value begins that an override gave.
inline constexpr std::string_view kOverridePrefix = "--set ";

// A map that an override gives takes the place of what the file and the overrides before it say there: that is taken out of both.
// Returns the overrides that are left.
std::vector<std::string> RemoveReplaced(const std::vector<std::string>& overrides, YamlNode& document);
// What a message about a key that is missing in such a map adds; "" for another origin.
std::string ReplacedHint(const ConfigOrigin& origin);

class ConfigLoader {
 public:
  // `name` stands for the file in messages.
  ConfigLoader(const ConfigSlot& root, std::string name);

  void ReadDocument(const YamlNode& document) { Read(root_, document, ""); }
  // "a.b=value": a value in YAML, or as it stands for a text that does not begin with a quote.
  void Override(const std::string& text);
  // What only the whole can show: required keys, limits (of defaults too), and every struct's Validate.
  void Check(bool with_required) { CheckSlot(root_, {}, "", with_required); }
  Status status() const { return errors_.ToStatus(); }

 private:
  // config_load.cc
  void Read(const ConfigSlot& slot, const YamlNode& node, const std::string& path);
  void ReadKeys(const StructSlot& slot, const YamlNode& node, const std::string& path, bool has_kind);
  bool SelectKind(const ChoiceSlot& slot, const YamlNode& kind, const std::string& path);
  void UnknownKey(const YamlNode& node, const std::string& path, const std::vector<ConfigField>& fields, bool has_kind);
  std::string KnownElsewhere(std::string_view key) const;
  ConfigOrigin OriginOf(const YamlNode& node) const;
  void Mistake(const YamlNode& node, const std::string& path, const std::string& message);
  // config_override.cc
  void Assign(const ConfigSlot& slot, const std::string& path, const std::string& rest, const std::string& value);
  void AssignValue(const ConfigSlot& slot, const std::string& path, const std::string& value);
  void AssignBelow(const ConfigSlot& slot, const std::string& path, const std::string& rest, const std::string& value);
  // config_check.cc
  void CheckSlot(const ConfigSlot& slot, const ConfigRules& rules, const std::string& path, bool with_required);
  void CheckStruct(const StructSlot& slot, const std::string& path, bool with_required);

  const ConfigSlot& root_;
  std::string name_;
  std::string override_;  // "--set a.b=c" while it is applied
  ConfigErrors errors_;
};

}  // namespace gfn
