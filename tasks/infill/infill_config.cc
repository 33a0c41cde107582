#include "tasks/infill/infill_config.h"

namespace gfn {

void InfillConfig::Validate(ConfigErrors& errors) const {
  if (prompt.find("{X}") == std::string::npos)
    errors.Add("prompt", "does not contain {X}: the policy would not see the beginning");
  if (!data.fields.y.empty() && prompt.find("{Y}") == std::string::npos) {
    errors.Add("prompt", "does not contain {Y}: the policy would not see the ending");
  }
  if (support.max_len < support.min_len) errors.Add("support.max_len", "is smaller than min_len");
}

}  // namespace gfn
