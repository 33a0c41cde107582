#include "gflownet/base/json_util.h"

#include <cmath>
#include <optional>
#include <set>
#include <vector>

#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// nlohmann's messages begin with "[json.exception.parse_error.101] ".
std::string Reason(const std::exception& exception) {
  const std::string text = exception.what();
  const size_t end = text.starts_with('[') ? text.find("] ") : std::string::npos;
  return end == std::string::npos ? text : text.substr(end + 2);
}

// The place of the first number that is not finite, where there is one.
std::optional<json::json_pointer> FindNonFinite(const json& value, const json::json_pointer& place) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) return place;
  if (value.is_structured()) {
    for (const auto& item : value.items()) {
      if (auto found = FindNonFinite(item.value(), place / item.key())) return found;
    }
  }
  return std::nullopt;
}

StatusOr<std::string> Dump(const json& value, int indent) {
  if (const auto place = FindNonFinite(value, json::json_pointer())) {
    return InvalidArgument("the number at " + (place->empty() ? "/" : place->to_string()) +
                           " is not finite, and JSON has only finite numbers");
  }
  try {
    return value.dump(indent);
  } catch (const json::exception& exception) {  // text that is not UTF-8
    return InvalidArgument("cannot write as JSON: " + Reason(exception));
  }
}

}  // namespace

StatusOr<json> ParseJson(std::string_view text, std::string_view where) {
  constexpr int kMaxDepth = 200;            // deeper nesting is an attack on the stack, not data
  std::vector<std::set<std::string>> open;  // the keys so far of every object around the parser's place
  std::string problem;
  const auto callback = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth && problem.empty()) problem = "nested deeper than " + std::to_string(kMaxDepth) + " levels";
    switch (event) {
      case json::parse_event_t::object_start:
        open.emplace_back();
        break;
      case json::parse_event_t::object_end:
        open.pop_back();
        break;
      case json::parse_event_t::key:
        if (!open.back().insert(parsed.get<std::string>()).second && problem.empty()) {
          problem = "key " + parsed.dump() + " is given twice";
        }
        break;
      default:
        break;
    }
    return problem.empty();
  };
  const auto error = [&](const std::string& reason) { return DataLoss(std::string(where) + ": not valid JSON: " + reason); };
  try {
    json value = json::parse(text, callback);
    if (!problem.empty()) return error(problem);
    return value;
  } catch (const json::exception& exception) {
    return error(problem.empty() ? Reason(exception) : problem);
  }
}

StatusOr<json> ReadJsonFile(const std::string& path, int64_t max_bytes) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, max_bytes));
  return ParseJson(text, path);
}

StatusOr<std::string> JsonToText(const json& value) { return Dump(value, -1); }

Status WriteJsonFile(const std::string& path, const json& value) {
  StatusOr<std::string> text = Dump(value, 2);
  if (!text.ok()) return Annotate(text.status(), path);
  return WriteFileAtomic(path, *text + "\n");
}

}  // namespace gfn
