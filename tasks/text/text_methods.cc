#include "tasks/text/text_methods.h"

#include "gflownet/base/config_reader.h"
#include "gflownet/decoding/decoding.h"

namespace gfn {
namespace {

struct MethodConfig {
  DecodingMethod method;
  template <class V>
  void Visit(V& v) {
    v("method", method, "how objects are drawn, or searched for");
  }
};

}  // namespace

StatusOr<MethodSamples> DrawByMethod(const TextParts& parts, const DecodingMethod& method, const Policy& policy,
                                     ConditionId condition, int64_t num, double temperature, const RngKey& key) {
  const DecodingParts decoding = {.environment = parts.environment.get(),
                                  .policy = &policy,
                                  .reward = parts.reward.get(),
                                  .temperature = temperature,
                                  .stop_term = "log_p_stop"};
  ASSIGN_OR_RETURN(const Decoded decoded, Decode(method, decoding, {condition}, num, key));
  std::vector<std::vector<int32_t>> objects;
  for (const Actions& actions : decoded.objects[0]) objects.emplace_back(actions.begin(), actions.end());
  MethodSamples drawn;
  drawn.samples.condition = condition;
  drawn.samples.temperature = temperature;
  ASSIGN_OR_RETURN(drawn.samples.samples, ScoreTexts(*parts.environment, policy, *parts.reward,
                                                     std::vector<ConditionId>(objects.size(), condition), objects));
  if (!decoded.log_z.empty()) drawn.log_z = decoded.log_z[0];
  if (!decoded.ess.empty()) drawn.ess = decoded.ess[0];
  drawn.num_actions = decoded.num_actions;
  return drawn;
}

StatusOr<DecodingMethod> ParseMethod(const std::string& text) {
  const std::string key = text.starts_with("{") ? "method=" + text : "method.kind=" + text;
  ASSIGN_OR_RETURN(const MethodConfig config, ReadConfigText<MethodConfig>("{}", "--method", {key}));
  return config.method;
}

}  // namespace gfn
