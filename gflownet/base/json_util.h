// JSON from outside, strictly: invalid UTF-8, a key twice in one object, and numbers beyond double are refused with their
// place. Include <nlohmann/json.hpp> in the .cc that looks inside the values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gflownet/base/status.h"
#include "nlohmann/json_fwd.hpp"

namespace gfn {

// `where` begins every message ("file.json", "file.jsonl:12").
StatusOr<nlohmann::json> ParseJson(std::string_view text, std::string_view where);
StatusOr<nlohmann::json> ReadJsonFile(const std::string& path, int64_t max_bytes = int64_t{1} << 30);

// One line of text. Numbers read back to the same value. InvalidArgument naming the path of a number that is not finite and of
// text that is not UTF-8, because JSON has neither.
StatusOr<std::string> JsonToText(const nlohmann::json& value);
// The same, indented, with a newline at the end, written atomically.
Status WriteJsonFile(const std::string& path, const nlohmann::json& value);

}  // namespace gfn
