// One table per enum: parsing, printing and the list of choices come from it.
//
//   enum class Colour { kRed, kGreen };
//   GFN_ENUM_TABLE(Colour, {Colour::kRed, "red"}, {Colour::kGreen, "green", "the default"})    // in the enum's namespace
//   EnumName(Colour::kRed) == "red";  ParseEnum<Colour>("rde") -> InvalidArgument naming the choices
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gflownet/base/check.h"
#include "gflownet/base/status.h"
#include "gflownet/base/text_util.h"

namespace gfn {

template <class E>
struct EnumEntry {
  E value;
  std::string_view name;
  std::string_view help = "";
};

#define GFN_ENUM_TABLE(E, ...) \
  [[maybe_unused]] constexpr auto GfnEnumEntries(E) { return std::to_array<::gfn::EnumEntry<E>>({__VA_ARGS__}); }

// An enum with a table, found by argument-dependent lookup.
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires(E e) {
  GfnEnumEntries(e);
};

template <NamedEnum E>
std::string_view EnumName(E value) {
  for (const auto& entry : GfnEnumEntries(E{})) {
    if (entry.value == value) return entry.name;
  }
  GFN_CHECK(false) << "enum value " << static_cast<long long>(value) << " is not in its table";
  return {};
}

template <NamedEnum E>
std::vector<std::string> EnumChoices() {
  std::vector<std::string> names;
  for (const auto& entry : GfnEnumEntries(E{})) names.emplace_back(entry.name);
  return names;
}

template <NamedEnum E>
StatusOr<E> ParseEnum(std::string_view text) {
  for (const auto& entry : GfnEnumEntries(E{})) {
    if (entry.name == text) return entry.value;
  }
  return InvalidArgument(UnknownName("value", text, "choices", EnumChoices<E>()));
}

}  // namespace gfn
