// Slots for the values of a config struct, chosen by their types. Users want gflownet/base/config_reader.h.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "gflownet/base/check.h"
#include "gflownet/base/config_slot.h"
#include "gflownet/base/enum_table.h"

namespace gfn {

template <class T>
ConfigSlot MakeSlot(T& value);

// The visitor that a struct's Visit is called with.
class ConfigFieldCollector {
 public:
  template <class T, class... Rules>
  void operator()(std::string_view name, T& value, std::string_view help, const Rules&... rules) {
    ConfigField field{name, help, {}, MakeSlot(value)};
    (rules.ApplyTo(field.rules), ...);
    Add(std::move(field));
  }
  std::vector<ConfigField> fields;

 private:
  void Add(ConfigField field);
};

template <class T>
concept ConfigStruct = requires(T& config, ConfigFieldCollector& visitor) {
  config.Visit(visitor);
};

namespace internal {
template <class T>
inline constexpr bool kUnsupported = false;
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVariant : std::false_type {};

// An alternative whose kind is empty is not offered; such alternatives stand last.
inline std::vector<std::string> OfferedKinds(std::vector<std::string> kinds) {
  while (!kinds.empty() && kinds.back().empty()) kinds.pop_back();
  return kinds;
}

template <ConfigStruct... Ts>
struct IsVariant<std::variant<Ts...>> : std::true_type {
  static ChoiceSlot Make(std::variant<Ts...>& v) {
    return {
        OfferedKinds({std::string(Ts::kKind)...}), [&v] { return v.index(); },
        [&v](size_t i) {
          static constexpr void (*kMake[])(std::variant<Ts...>&) = {[](std::variant<Ts...>& w) { w.template emplace<Ts>(); }...};
          kMake[i](v);
        },
        [&v] { return std::visit([](auto& alternative) { return MakeSlot(alternative); }, v); }};
  }
};

template <NamedEnum E>
EnumSlot MakeEnumSlot(E& value) {
  EnumSlot slot;
  for (const auto& entry : GfnEnumEntries(E{})) slot.choices.push_back({entry.name, entry.help});
  slot.get = [&value] {
    const auto entries = GfnEnumEntries(E{});
    size_t i = 0;
    while (i < entries.size() && entries[i].value != value) ++i;
    GFN_CHECK(i < entries.size()) << "enum value " << static_cast<long long>(value) << " is not in its table";
    return i;
  };
  slot.set = [&value](size_t i) { value = GfnEnumEntries(E{})[i].value; };
  return slot;
}

template <ConfigStruct T>
StructSlot MakeStructSlot(T& value) {
  return {[&value] {
            ConfigFieldCollector collector;
            value.Visit(collector);
            return std::move(collector.fields);
          },
          [&]([[maybe_unused]] ConfigErrors& errors) {
            if constexpr (requires(const T& config) { config.Validate(errors); }) std::as_const(value).Validate(errors);
          }};
}
}  // namespace internal

template <class T>
ConfigSlot MakeSlot(T& value) {
  if constexpr (std::same_as<T, bool>) {
    return {BoolSlot{&value}};
  } else if constexpr (std::same_as<T, int64_t> || std::same_as<T, int>) {
    return {IntSlot{[&value] { return int64_t{value}; }, [&value](int64_t v) { value = static_cast<T>(v); },
                    std::numeric_limits<T>::min(), std::numeric_limits<T>::max()}};
  } else if constexpr (std::same_as<T, double>) {
    return {RealSlot{&value}};
  } else if constexpr (std::same_as<T, std::string>) {
    return {StringSlot{&value}};
  } else if constexpr (NamedEnum<T>) {
    return {internal::MakeEnumSlot(value)};
  } else if constexpr (ConfigStruct<T>) {
    return {internal::MakeStructSlot(value)};
  } else if constexpr (internal::IsVariant<T>::value) {
    return {internal::IsVariant<T>::Make(value)};
  } else if constexpr (internal::IsVector<T>::value) {
    return {ListSlot{[&value] { return value.size(); }, [&value](size_t n) { value.resize(n); },
                     [&value](size_t i) { value[i] = typename T::value_type(); },
                     [&value](size_t i) { return MakeSlot(value[i]); }}};
  } else if constexpr (internal::IsOptional<T>::value) {
    return {OptionalSlot{[&value] { return value.has_value(); }, [&value] { value.emplace(); }, [&value] { value.reset(); },
                         [&value] { return MakeSlot(*value); }}};
  } else {
    static_assert(internal::kUnsupported<T>, "not a type that a config struct may hold (see config_reader.h)");
  }
}

}  // namespace gfn
