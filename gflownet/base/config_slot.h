// How the fields of a config struct look without their types: a slot points at one value and says how to read and set it.
// config_make_slot.h builds slots from the one list of fields that every config struct has, its Visit; everything else about
// configuration (config_*.cc) works on slots. Users want gflownet/base/config_reader.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"

namespace gfn {

struct ConfigSlot;
struct ConfigField;

struct BoolSlot {
  bool* value;
};
struct RealSlot {
  double* value;
};
struct StringSlot {
  std::string* value;
};
struct IntSlot {
  std::function<int64_t()> get;
  std::function<void(int64_t)> set;  // of min .. max
  int64_t min, max;                  // of the C++ type
};
struct EnumSlot {
  struct Choice {
    std::string_view name, help;
  };
  std::vector<Choice> choices;
  std::function<size_t()> get;
  std::function<void(size_t)> set;
};
struct StructSlot {
  std::function<std::vector<ConfigField>()> fields;
  std::function<void(ConfigErrors&)> validate;
};
struct ListSlot {
  std::function<size_t()> size;
  std::function<void(size_t)> resize;
  std::function<void(size_t)> clear;  // gives one item its defaults
  std::function<ConfigSlot(size_t)> at;
  bool takes_one = false;  // OneForList
};
struct OptionalSlot {
  std::function<bool()> has_value;
  std::function<void()> emplace, reset;
  std::function<ConfigSlot()> get;  // of a value that is there
};
struct ChoiceSlot {  // a variant of structs; which one is the key `kind`
  std::vector<std::string> kinds;
  std::function<size_t()> index;
  std::function<void(size_t)> select;  // with its defaults
  std::function<ConfigSlot()> get;
};

struct ConfigSlot {
  std::variant<BoolSlot, IntSlot, RealSlot, StringSlot, EnumSlot, StructSlot, ListSlot, OptionalSlot, ChoiceSlot> value;
};

struct ConfigField {
  std::string_view name, help;
  ConfigRules rules;
  ConfigSlot slot;
};

// As YAML on one line. Not for structs, choices and lists of such.
std::string ScalarText(const ConfigSlot& slot);
// Whether the value as it is now has keys of its own: a struct, a choice, a filled optional or list of such.
bool HasKeys(const ConfigSlot& slot);
// The value inside of a filled optional; anything else as it is.
ConfigSlot WithoutOptional(const ConfigSlot& slot);

}  // namespace gfn
