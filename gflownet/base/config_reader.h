// Configuration: plain structs whose fields are listed once, in Visit, and everything derived from that list.
//
//   struct SubTbConfig {
//     static constexpr std::string_view kKind = "subtb";          // its name as an alternative of a variant
//     double lambda = 0.9;
//     template <class V> void Visit(V& v) { v("lambda", lambda, "weight of long subtrajectories", Between(0, 1)); }
//   };
//   struct TrainConfig {
//     double lr = 1e-3;
//     int64_t min_len = 2, max_len = 16;
//     Schedule schedule = Schedule::kConstant;                    // an enum with a GFN_ENUM_TABLE
//     std::optional<double> clip;                                 // null: none
//     std::vector<std::string> targets = {"q_proj"};
//     std::variant<SubTbConfig, TbConfig> objective;              // {kind: subtb, lambda: 0.9}; `kind` is always written
//     std::string data;
//     template <class V> void Visit(V& v) {
//       v("lr", lr, "learning rate of AdamW", Positive());
//       ...
//       v("data", data, "JSON lines file", Required{});
//     }
//     void Validate(ConfigErrors& errors) const {                 // rules across fields; optional
//       if (max_len < min_len) errors.Add("max_len", "is smaller than min_len");
//     }
//   };
//
// Types: bool, int, int64_t, double, std::string, enums, structs, and vector, optional and variant (of structs) of these.
// Nothing unknown is accepted and nothing is converted: keys must be known and unique, numbers finite and in range, text in
// quotes is never a number, anchors and aliases are refused. A file cannot include another one.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gflownet/base/config_make_slot.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/status.h"

namespace gfn {

struct ConfigEntry {
  std::string path;         // "train.objective.lambda", "stages.0.lr"
  std::string value;        // as YAML
  bool may_change = false;  // MayChange of the key or of one around it
};

struct ConfigDifference {
  std::string path, old_value, new_value;  // "" for a path that one side does not have
  bool may_change = false;
};

// "a.b: 1 -> 2", with (none) for the side that does not have it.
std::string FormatDifference(const ConfigDifference& difference);

// The same on slots, in config_load.cc, config_write.cc and config_docs.cc.
Status LoadConfig(const ConfigSlot& root, std::string_view text, const std::string& name,
                  const std::vector<std::string>& overrides);
Status CheckConfigSlot(const ConfigSlot& root, const std::string& name);
std::string WriteConfigSlot(const ConfigSlot& root);
std::vector<ConfigEntry> FlattenConfigSlot(const ConfigSlot& root);
std::string DocumentConfigSlot(const ConfigSlot& root);
std::vector<ConfigDifference> DiffEntries(const std::vector<ConfigEntry>& before, const std::vector<ConfigEntry>& after);

// YAML text over the defaults of T, then overrides "a.b=c" (as --set gives them, values in YAML; a text needs no quotes; a map or
// a list takes the place of all that was there), then all rules. InvalidArgument with every mistake, one a line, each with its
// place: "name:line:col: [path] ..." or
// "--set a.b=c: [path] ...".
template <ConfigStruct T>
StatusOr<T> ReadConfigText(std::string_view text, const std::string& name, const std::vector<std::string>& overrides = {}) {
  T config;
  RETURN_IF_ERROR(LoadConfig(MakeSlot(config), text, name, overrides));
  return config;
}

template <ConfigStruct T>
StatusOr<T> ReadConfigFile(const std::string& path, const std::vector<std::string>& overrides = {}) {
  constexpr int64_t kMaxBytes = 16 << 20;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  return ReadConfigText<T>(text, path, overrides);
}

// Ranges and Validate of a struct that was made by code; `name` stands for it in messages.
template <ConfigStruct T>
Status CheckConfig(T config, const std::string& name) {
  return CheckConfigSlot(MakeSlot(config), name);
}

// Every key with its value, as YAML that ReadConfigText reads back to the same struct.
template <ConfigStruct T>
std::string WriteConfig(T config) {
  return WriteConfigSlot(MakeSlot(config));
}

// Every value with its full path, in the order of the fields.
template <ConfigStruct T>
std::vector<ConfigEntry> FlattenConfig(T config) {
  return FlattenConfigSlot(MakeSlot(config));
}

// What changed, for a resumed run.
template <ConfigStruct T>
std::vector<ConfigDifference> DiffConfigs(const T& before, const T& after) {
  return DiffEntries(FlattenConfig(before), FlattenConfig(after));
}

// Markdown tables of all keys, defaults, limits and meanings, with a heading per struct and alternative.
template <ConfigStruct T>
std::string DocumentConfig() {
  T config;
  return DocumentConfigSlot(MakeSlot(config));
}

}  // namespace gfn
