#include "llm/format/json_fields.h"

#include <limits>

namespace gfn {
namespace {

// A value for a message, cut short.
std::string Shown(const nlohmann::json& value) {
  constexpr size_t kMaxChars = 80;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  return text.size() <= kMaxChars ? text : text.substr(0, kMaxChars) + "...";
}

}  // namespace

StatusOr<JsonFields> JsonFields::Of(const nlohmann::json& object, std::string where) {
  if (!object.is_object()) return InvalidArgument(where + ": found " + Shown(object) + ", expected a JSON object");
  return JsonFields(object, std::move(where));
}

const nlohmann::json* JsonFields::Find(std::string_view key) const {
  const auto it = object_->find(std::string(key));
  return it == object_->end() || it->is_null() ? nullptr : &*it;
}

Status JsonFields::Wrong(std::string_view key, std::string_view expected) const {
  const nlohmann::json* value = Find(key);
  return InvalidArgument(where_ + ": key '" + std::string(key) + "' is " + (value != nullptr ? Shown(*value) : "missing") +
                         ", expected " + std::string(expected));
}

Status JsonFields::Unsupported(std::string_view key, std::string_view why) const {
  const nlohmann::json* value = Find(key);
  return Unimplemented(where_ + ": key '" + std::string(key) + "' is " + (value != nullptr ? Shown(*value) : "missing") +
                       ", which is not supported: " + std::string(why));
}

StatusOr<int64_t> JsonFields::Int(std::string_view key) const {
  const nlohmann::json* value = Find(key);
  const bool fits =
      value != nullptr && value->is_number_integer() &&
      !(value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  if (!fits) return Wrong(key, "an integer");
  return value->get<int64_t>();
}

StatusOr<double> JsonFields::Real(std::string_view key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr || !value->is_number()) return Wrong(key, "a number");
  return value->get<double>();
}

StatusOr<bool> JsonFields::Bool(std::string_view key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr || !value->is_boolean()) return Wrong(key, "true or false");
  return value->get<bool>();
}

StatusOr<std::string> JsonFields::String(std::string_view key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr || !value->is_string()) return Wrong(key, "a string");
  return value->get<std::string>();
}

StatusOr<int64_t> JsonFields::IntOr(std::string_view key, int64_t absent) const {
  return Has(key) ? Int(key) : StatusOr<int64_t>(absent);
}

StatusOr<double> JsonFields::RealOr(std::string_view key, double absent) const {
  return Has(key) ? Real(key) : StatusOr<double>(absent);
}

StatusOr<bool> JsonFields::BoolOr(std::string_view key, bool absent) const {
  return Has(key) ? Bool(key) : StatusOr<bool>(absent);
}

StatusOr<std::string> JsonFields::StringOr(std::string_view key, std::string absent) const {
  return Has(key) ? String(key) : StatusOr<std::string>(std::move(absent));
}

Status JsonFields::Only(std::string_view key, const nlohmann::json& supported) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr || *value == supported) return OkStatus();
  return Unsupported(key, "only " + Shown(supported) + " is");
}

}  // namespace gfn
