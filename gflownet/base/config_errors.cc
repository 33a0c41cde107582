#include "gflownet/base/config_errors.h"

#include <algorithm>
#include <tuple>

namespace gfn {

std::string JoinConfigPath(std::string_view parent, std::string_view child) {
  std::string path(parent);
  if (!parent.empty() && !child.empty()) path += '.';
  return path += child;
}

void ConfigErrors::Add(std::string_view field, std::string_view message) {
  const std::string path = JoinConfigPath(prefix_, field);
  AddAt(OriginOf(path), path, message);
}

void ConfigErrors::AddAt(const ConfigOrigin& origin, std::string_view path, std::string_view message) {
  mistakes_.push_back({origin, std::string(path), std::string(message)});
}

Status ConfigErrors::ToStatus() const {
  if (mistakes_.empty()) return OkStatus();
  std::vector<const Mistake*> order;
  for (const Mistake& mistake : mistakes_) order.push_back(&mistake);
  std::stable_sort(order.begin(), order.end(), [](const Mistake* a, const Mistake* b) {
    const auto key = [](const ConfigOrigin& o) { return std::tuple(o.line == 0, o.line, o.column); };
    return key(a->origin) < key(b->origin);
  });
  std::string text;
  for (const Mistake* mistake : order) {
    if (!text.empty()) text += '\n';
    text += mistake->origin.name;
    if (mistake->origin.line > 0) {
      text += ":" + std::to_string(mistake->origin.line) + ":" + std::to_string(mistake->origin.column);
    }
    text += ": ";
    if (!mistake->path.empty()) text += "[" + mistake->path + "] ";
    text += mistake->message;
  }
  return InvalidArgument(text);
}

void ConfigErrors::ForgetBelow(const std::string& path) {
  std::erase_if(origins_, [start = path + "."](const auto& item) { return item.first.starts_with(start); });
}

bool ConfigErrors::HasMistakeWithin(std::string_view path) const {
  return std::any_of(mistakes_.begin(), mistakes_.end(), [&](const Mistake& mistake) {
    return path.empty() || mistake.path == path || mistake.path.starts_with(std::string(path) + ".");
  });
}

ConfigOrigin ConfigErrors::OriginOf(std::string_view path) const {
  for (std::string here(path);;) {
    if (const auto it = origins_.find(here); it != origins_.end()) return it->second;
    if (here.empty()) return {};
    const size_t dot = here.rfind('.');
    here.resize(dot == std::string::npos ? 0 : dot);
  }
}

}  // namespace gfn
