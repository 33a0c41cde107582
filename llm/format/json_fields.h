// Typed access to the keys of one JSON object from outside, with messages that name file, key, what was found and expected.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "gflownet/base/status.h"
#include "nlohmann/json.hpp"

namespace gfn {

// A key that is null counts as absent. The object outlives this view.
class JsonFields {
 public:
  // InvalidArgument if the value is not an object.
  static StatusOr<JsonFields> Of(const nlohmann::json& object, std::string where);

  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  // nullptr if absent or null.
  const nlohmann::json* Find(std::string_view key) const;

  StatusOr<int64_t> Int(std::string_view key) const;
  StatusOr<double> Real(std::string_view key) const;  // an integer is accepted
  StatusOr<bool> Bool(std::string_view key) const;
  StatusOr<std::string> String(std::string_view key) const;
  StatusOr<int64_t> IntOr(std::string_view key, int64_t absent) const;
  StatusOr<double> RealOr(std::string_view key, double absent) const;
  StatusOr<bool> BoolOr(std::string_view key, bool absent) const;
  StatusOr<std::string> StringOr(std::string_view key, std::string absent) const;

  // OK if the key is absent or has this value; Unimplemented saying that only it is supported otherwise.
  Status Only(std::string_view key, const nlohmann::json& supported) const;

  // InvalidArgument: "<where>: key 'x' is <value>, expected <expected>" (or "key 'x' is missing, ...").
  Status Wrong(std::string_view key, std::string_view expected) const;
  // Unimplemented: "<where>: key 'x' is <value>, which is not supported: <why>".
  Status Unsupported(std::string_view key, std::string_view why) const;

  const std::string& where() const { return where_; }
  const nlohmann::json& object() const { return *object_; }

 private:
  JsonFields(const nlohmann::json& object, std::string where) : object_(&object), where_(std::move(where)) {}

  const nlohmann::json* object_;
  std::string where_;
};

}  // namespace gfn
