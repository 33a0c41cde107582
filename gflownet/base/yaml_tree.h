// YAML text as a tree in which every node knows its place. Stricter than YAML: one document of UTF-8; no anchors, aliases or
// tags; keys are plain texts. What escapes stand for is checked as the file is: texts are UTF-8 without NUL.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;                // of a scalar
  bool quoted = false;             // a scalar in quotes or a block text: never a number, a boolean or null
  int line = 0;                    // from 1
  int column = 0;                  // from 1
  std::vector<YamlNode> items;     // of a list
  std::vector<YamlEntry> entries;  // of a map, in order; the same key may come twice

  // "text 'abc'", "a list", ...: for messages.
  std::string Describe() const;
};

struct YamlEntry {
  YamlNode key;
  YamlNode value;
};

// An empty text is a null. InvalidArgument "name:line:col: ..." for what is not YAML of this kind.
StatusOr<YamlNode> ParseYaml(std::string_view text, const std::string& name);

}  // namespace gfn
