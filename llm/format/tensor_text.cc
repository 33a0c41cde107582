#include "llm/format/tensor_text.h"

#include <algorithm>

#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

// "a, b, c and 7 more"
std::string FirstFew(const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  if (names.size() <= kShown) return Join(names, ", ");
  const std::vector<std::string> shown(names.begin(), names.begin() + kShown);
  return Join(shown, ", ").append(" and ").append(std::to_string(names.size() - kShown)).append(" more");
}

}  // namespace

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t n : shape) text.append(text.size() > 1 ? ", " : "").append(std::to_string(n));
  return text.append("]");
}

Status CheckShape(std::string_view where, std::string_view name, const std::vector<int64_t>& found,
                  const std::vector<int64_t>& expected) {
  if (found == expected) return OkStatus();
  return DataLoss(std::string(where) + ": tensor '" + std::string(name) + "' has shape " + ShapeText(found) + ", expected " +
                  ShapeText(expected));
}

Status CheckNames(std::string_view where, const std::vector<std::string>& missing, const std::vector<std::string>& unexpected) {
  std::string message;
  if (!missing.empty()) message += "missing tensors: " + FirstFew(missing);
  if (!unexpected.empty()) {
    message.append(message.empty() ? "" : "; ").append("tensors that the model has no place for: ").append(FirstFew(unexpected));
  }
  return message.empty() ? OkStatus() : DataLoss(std::string(where) + ": " + message);
}

}  // namespace gfn
