#include "tasks/text/text_config.h"

#include <set>

namespace gfn {

void TextConfig::Validate(ConfigErrors& errors) const {
  if (prompt.find("{X}") == std::string::npos)
    errors.Add("prompt", "does not contain {X}: the policy would not see the beginning");
  const bool has_y = !data.fields.y.empty();
  if (has_y && prompt_reads_y && prompt.find("{Y}") == std::string::npos) {
    errors.Add("prompt", "does not contain {Y}: the policy would not see the ending");
  }
  if (!data.validation.empty() && data.held_out.validation > 0)
    errors.Add("data.held_out.validation", "and data.validation are both given; one of them says what is validated on");
  if (!data.test.empty() && data.held_out.test > 0)
    errors.Add("data.held_out.test", "and data.test are both given; one of them says what is tested on");
  if (reward_prompt.find("{X}") == std::string::npos)
    errors.Add("reward_prompt", "does not contain {X}: the reward would not see the beginning");
  if (demonstrations.data.empty()) {
    for (const auto& [key, text] : {std::pair("prompt", prompt), std::pair("reward_prompt", reward_prompt)}) {
      if (text.find("{D}") != std::string::npos) errors.Add(key, "contains {D}, but demonstrations.data is empty");
    }
  }
  if (support.max_len < support.min_len) errors.Add("support.max_len", "is smaller than min_len");
  std::set<std::string> terms = {"log_p_z", "log_p_stop", "log_p_y", "rival"};  // what the likelihood reports
  for (size_t i = 0; i < reward.size(); ++i) {
    if (!terms.insert(RewardTermName(reward[i])).second)
      errors.Add("reward." + std::to_string(i) + ".name", "'" + RewardTermName(reward[i]) + "' names another term already");
  }
  std::set<std::string> names = {"trained"};
  for (size_t i = 0; i < baselines.size(); ++i) {
    if (!names.insert(baselines[i].name).second)
      errors.Add("baselines." + std::to_string(i) + ".name", "'" + baselines[i].name + "' names another sampler already");
  }
}

}  // namespace gfn
