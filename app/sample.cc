#include <iostream>
#include <nlohmann/json.hpp>

#include "app/app.h"
#include "gflownet/base/json_util.h"

namespace gfn {

Status Sample(const SampleCommand& command) {
  if (command.num < 1) return InvalidArgument("--num must be at least 1, found " + std::to_string(command.num));
  if (!(command.temperature > 0)) return InvalidArgument("--temperature must be above 0");
  if (!(command.top_p > 0 && command.top_p <= 1)) return InvalidArgument("--top-p must be in (0, 1]");
  ASSIGN_OR_RETURN(LoadedRun run, LoadRun(command.run, WhichCheckpoint::kBest));
  TaskParts& parts = *run.parts;
  const InfillConfig& task = std::get<InfillConfig>(parts.config.task);
  ASSIGN_OR_RETURN(const std::vector<InfillExample> examples,
                   ReadInfillExamples(command.input == "-" ? "/dev/stdin" : command.input, task.data.fields));
  SamplerEvaluationOptions options;
  options.num_samples = command.num;
  options.batch_rows = parts.config.evaluation.batch_rows;
  options.exploration.temperature = command.temperature;
  options.exploration.top_k = command.top_k;
  options.exploration.top_p = command.top_p;
  for (size_t i = 0; i < examples.size(); ++i) {
    ASSIGN_OR_RETURN(const ConditionId condition, AddCondition(parts, task.prompt, examples[i]));
    options.key = {static_cast<uint64_t>(command.seed), RngPurpose::kSample, i};
    ASSIGN_OR_RETURN(const auto samples, SampleConditions(*parts.environment, *parts.policy, *parts.reward, {condition}, options));
    for (const SampledText& sample : samples[0].samples) {
      ASSIGN_OR_RETURN(const std::string line,
                       JsonToText({{"id", examples[i].id},
                                   {"text", DecodeObject(*parts.tokenizer, sample.tokens, sample.stop)},
                                   {"log_pf", sample.log_q},
                                   {"log_reward", sample.log_reward},
                                   {"terms", {{"log_p_z", sample.log_p_z}, {"log_p_stop", sample.log_p_stop}, {"log_p_y", sample.log_p_y}}}}));
      std::cout << line << std::endl;
    }
  }
  return OkStatus();
}

}  // namespace gfn
