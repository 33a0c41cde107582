#include "tasks/text/text_kind.h"

#include "gflownet/base/digest.h"
#include "tasks/text/text_parts.h"
#include "tasks/text/text_reference.h"
#include "tasks/text/text_simulated.h"
#include "tasks/text/text_support.h"

namespace gfn {

StatusOr<SequenceCondition> TextKind::Encode(const Tokenizer& tokenizer, const std::string& prompt_template,
                                             const TextExample& example) const {
  const TextConfig& task = config();
  ASSIGN_OR_RETURN(const std::string demonstrations, DemonstrationText(task));
  return EncodeCondition(tokenizer, {prompt_template, task.reward_prompt, demonstrations}, example.x, example.y);
}

TextFields TextKind::LineFields() const {
  TextFields fields;
  fields.has_y = config().data.fields.has_y;
  if (!fields.has_y) fields.y.clear();
  fields.z = config().data.fields.z;
  return fields;
}

StatusOr<TextRules> TextKind::MakeRules(const TextParts&, SequenceSupport support) const {
  TextRules made;
  ASSIGN_OR_RETURN(made.rules, SupportRules::Create(std::move(support)));
  return made;
}

StatusOr<std::unique_ptr<Reward>> TextKind::MakeReward(const TextParts& parts) const {
  ASSIGN_OR_RETURN(const uint64_t weight_hash, parts.source->weight_hash());
  std::string digest =
      "likelihood of x z stop y, weights " + DigestToHex(weight_hash) + ", " + std::string(EnumName(parts.settings.model->dtype));
  LikelihoodRewardOptions options;
  options.share_prefixes = config().share_prefixes;
  options.rival_penalty = RivalPenalty();
  if (options.rival_penalty != 0) digest += ", rivals " + std::to_string(options.rival_penalty);
  options.answer_adapter = parts.answer_adapter();
  if (parts.answer_model != nullptr) digest += ", " + parts.answer_model->Digest();
  const double weight = LikelihoodWeight(config().reward);
  std::unique_ptr<LikelihoodReward> likelihood;
  if (weight != 0) likelihood = std::make_unique<LikelihoodReward>(*parts.model, *parts.environment, digest, options);
  if (weight == 1 && parts.text_terms.empty()) return std::unique_ptr<Reward>(std::move(likelihood));
  return std::unique_ptr<Reward>(
      std::make_unique<SumOfTermsReward>(std::move(likelihood), weight, parts.text_terms, *parts.environment, *parts.tokenizer));
}

StatusOr<double> TextKind::PlainLogReward(const TextParts& parts, const PlainObject& object, int64_t k) const {
  const double weight = LikelihoodWeight(config().reward);
  const double likelihood = weight == 0 ? 0 : weight * PlainLogLikelihood(parts, object, k, RivalPenalty());
  EndedText text{&parts.conditions.Get(object.condition), {object.inner.data(), static_cast<size_t>(k)}, object.stop, ""};
  text.text = DecodeAsItStands(*parts.tokenizer, {text.inner.begin(), text.inner.end()});
  ASSIGN_OR_RETURN(const double of_text, PlainTextTerms(parts.text_terms, text));
  return likelihood + of_text;
}

double TextKind::RivalPenalty() const { return 0; }

double TextKind::EvaluationTemperature(const RunSettings&) const { return 1; }

StatusOr<TrajectoryBatch> TextKind::GivenObjects(TextParts& parts, const TextSplit& train, const std::string&,
                                                 const LogFunction& log) const {
  if (!config().data.given_references) return TrajectoryBatch();
  std::vector<ConditionId> conditions;
  std::vector<std::vector<int32_t>> objects;
  const TokenRules& rules = parts.environment->rules();
  for (size_t i = 0; i < train.examples.size(); ++i) {
    std::vector<int32_t> tokens = EncodeReference(*parts.tokenizer, parts.environment->support(), train.examples[i].z);
    if (tokens.empty() || !rules.WhyNot(parts.conditions.Get(train.conditions[i]), {tokens.data(), tokens.size() - 1}).empty())
      continue;
    conditions.push_back(train.conditions[i]);
    objects.push_back(std::move(tokens));
  }
  const std::string found = std::to_string(objects.size()) + " of " + std::to_string(train.examples.size()) +
                            " training lines have a reference that is in the support";
  if (objects.empty()) return FailedPrecondition("task.data.given_references: " + found);
  if (log) log(found + ": they are given objects");
  return MakeTokenBatch(*parts.environment, conditions, objects);
}

StatusOr<std::vector<ExactDraw>> TextKind::ExactDraws(TextParts&, const std::vector<TextExample>&, int64_t) const {
  return Unimplemented("--simulated: task " + std::string(name()) + " draws no texts with endings of its own");
}

std::vector<TextMetric> TextKind::Metrics() const { return {}; }

StatusOr<Measured> TextKind::Measure(const TextParts&, const TextExample&, const Policy&, const ConditionSamples&) const {
  return Measured{};
}

void TextKind::AddToReport(const nlohmann::json&, report::Section&) const {}

}  // namespace gfn
