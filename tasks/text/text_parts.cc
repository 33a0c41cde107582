#include "tasks/text/text_parts.h"

#include <map>

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/device.h"
#include "tasks/text/sampler_file.h"
#include "tasks/text/text_support.h"

namespace gfn {
namespace {

std::string SupportDigestOf(const SequenceSupport& support, const Tokenizer& tokenizer) {
  Digest digest;
  for (const bool legal : support.legal) digest.Bool(legal);
  digest.Ints(support.stop_ids).Int(support.min_len).Int(support.max_len);
  for (const bool illegal : support.illegal_last) digest.Bool(illegal);
  return "sequence support " + DigestToHex(digest.value()) + ", tokenizer " + DigestToHex(tokenizer.digest());
}

// Silence would be worse than an error: a tokenizer of another model gives numbers that look like results. Tokens that were added
// without a row in the model are common (a <pad>) and harm nobody until a text needs one; a token that merging makes has a row.
Status CheckTokenizer(const Tokenizer& tokenizer, const ModelSourceConfig& source, const ModelConfig& model) {
  constexpr int64_t kMostPadding = 1024;  // models round their vocabulary up, by 943 at most where it was looked at (phi-2)
  bool has_rows = true;
  for (int64_t id = model.vocab_size; id < tokenizer.vocab_size(); ++id) has_rows &= tokenizer.IsAdded(static_cast<int32_t>(id));
  if (!has_rows || tokenizer.vocab_size() + kMostPadding < model.vocab_size) {
    return InvalidArgument("the tokenizer has " + std::to_string(tokenizer.vocab_size()) + " tokens and the model " +
                           std::to_string(model.vocab_size) +
                           (has_rows ? "" : ", and those without a row in it are not all added ones") +
                           ": they do not belong together");
  }
  if (source.tokenizer.empty()) return OkStatus();
  // A model that brings its own tokenizer is asked for it.
  const auto own = LoadTokenizer(source.path);
  if (!own.ok() || (*own)->digest() == tokenizer.digest()) return OkStatus();
  return InvalidArgument(source.tokenizer + " is not the tokenizer that " + source.path + " brings along (digests " +
                         DigestToHex(tokenizer.digest()) + " and " + DigestToHex((*own)->digest()) +
                         "); leave model.tokenizer out");
}

// The sampler's support: of the file where one is given, else of the configuration.
StatusOr<SequenceSupport> ChooseSupport(const SamplerFile* sampler, const TextParts& parts) {
  const TextConfig& task = parts.config();
  const int64_t vocab_size = parts.model->config().vocab_size;
  if (sampler != nullptr) return SupportFor(*sampler, vocab_size);
  ASSIGN_OR_RETURN(SequenceSupport support, MakeTextSupport(*parts.tokenizer, task.support, vocab_size));
  if (task.support.last_from_data) {
    const auto read = ReadSplit(task.data, "train");
    if (!read.ok()) return Annotate(read.status(), "task.support.last_from_data");
    RestrictLastPlace(*parts.tokenizer, read->examples, support);
  }
  return support;
}

// An adapter that says what it was trained on belongs there; with another prompt or support it is a start, not the same sampler.
Status CheckStart(const TextParts& parts, const SequenceSupport& support, const LogFunction& log) {
  const std::string& folder = parts.settings.lora->path;
  if (folder.empty()) return OkStatus();
  ASSIGN_OR_RETURN(const std::optional<SamplerFile> file, ReadSamplerFile(folder));
  if (!file) return OkStatus();
  RETURN_IF_ERROR(CheckBase(*file, *parts.source, *parts.tokenizer));
  ASSIGN_OR_RETURN(const SequenceSupport there, SupportFor(*file, support.vocab_size));
  const bool same = there.legal == support.legal && there.stop_ids == support.stop_ids && there.min_len == support.min_len &&
                    there.max_len == support.max_len && there.illegal_last == support.illegal_last &&
                    file->prompt == parts.config().prompt;
  if (!same && log) log("the adapter in " + folder + " was trained with another prompt or support than task says: " + file->path);
  return OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<TextParts>> BuildTextParts(std::shared_ptr<const TextKind> kind, const RunSettings& settings,
                                                    const LogFunction& log, const SamplerFile* sampler) {
  const TextConfig& task = kind->config();
  if (!settings.model) return InvalidArgument(std::string(kind->name()) + " needs a language model, found none in the settings");
  auto parts = std::make_unique<TextParts>();
  parts->kind = std::move(kind);
  parts->settings = settings;
  if (!settings.lora) parts->settings.lora.emplace();
  const ModelSourceConfig& source = *settings.model;
  SetNumThreads(settings.threads);
  ASSIGN_OR_RETURN(const at::Device device, OpenDevice(settings.device));

  if (log) log("loading " + source.path);
  ASSIGN_OR_RETURN(parts->source, OpenModel(source.path, source.adapter));
  if (log && parts->source->adapter() != nullptr) log("with the adapter in " + parts->source->adapter_path() + " as part of it");
  auto tokenizer_found = LoadTokenizer(source.tokenizer.empty() ? source.path : source.tokenizer);
  if (!tokenizer_found.ok()) {
    return Annotate(tokenizer_found.status(), source.tokenizer.empty()
                                                  ? "model.tokenizer is empty, so it was looked for at model.path"
                                                  : "model.tokenizer");
  }
  parts->tokenizer = std::move(*tokenizer_found);
  RETURN_IF_ERROR(CheckTokenizer(*parts->tokenizer, source, parts->source->config()));
  if (log) {
    for (const auto& [name, value] : DescribeTokens(*parts->tokenizer, task.prompt)) log("  " + name + ": " + value);
  }
  ASSIGN_OR_RETURN(parts->model, LanguageModel::Load(*parts->source, {source.dtype, device}));
  ASSIGN_OR_RETURN(SequenceSupport support, ChooseSupport(sampler, *parts));
  std::string support_digest = SupportDigestOf(support, *parts->tokenizer);
  ASSIGN_OR_RETURN(TextRules made, parts->kind->MakeRules(*parts, std::move(support)));
  if (!made.digest.empty()) support_digest += ", rules " + made.digest;
  const Tokenizer* tokenizer = parts->tokenizer.get();
  parts->environment = std::make_unique<SequenceEnvironment>(
      std::move(made.rules), parts->conditions, support_digest, [tokenizer](const std::vector<int32_t>& tokens) {
        return tokenizer->Decode(tokens, {.show_special = true, .continuation = true});
      });
  RETURN_IF_ERROR(CheckStart(*parts, parts->environment->support(), log));
  ASSIGN_OR_RETURN(StartedAdapter started, StartAdapter(*parts->model, *parts->settings.lora, settings.seed, parts->parameters));
  parts->adapter = std::move(started.adapter);
  parts->adapter_config = std::move(started.config);
  if (started.path_hash) parts->start["start adapter"] = DigestToHex(*started.path_hash);
  const SequenceEnvironment& environment = *parts->environment;
  const LanguageModel& model = *parts->model;
  parts->policy = std::make_unique<SequencePolicy>(model, &parts->adapter, &parts->parameters, environment, PromptSource::kPrompt,
                                                   task.share_prefixes);
  parts->untrained =
      std::make_unique<SequencePolicy>(model, nullptr, nullptr, environment, PromptSource::kPrompt, task.share_prefixes);
  ASSIGN_OR_RETURN(const uint64_t weight_hash, parts->source->weight_hash());
  // The hash of the weights is that of base and adapter; the adapter alone is named for people.
  const PeftAdapter* own = parts->source->adapter();
  parts->identity = {{"weights", DigestToHex(weight_hash)},
                     {"model adapter", own != nullptr ? DigestToHex(PeftDigest(*own)) : "none"},
                     {"tokenizer", DigestToHex(parts->tokenizer->digest())}};
  if (task.support.last_from_data) {
    Digest digest;
    for (const bool illegal : parts->environment->support().illegal_last) digest.Bool(illegal);
    parts->identity["task.support.last_from_data of task.data.train"] = DigestToHex(digest.value());
  }
  if (started.path_shape_hash) parts->identity["ranks and scales of lora.path"] = DigestToHex(*started.path_shape_hash);
  if (own != nullptr && started.path_hash == PeftDigest(*own)) {
    return InvalidArgument("lora.path " + settings.lora->path + ": this adapter is part of the frozen model already (" +
                           parts->source->adapter_path() + "), and would be applied twice; use one of the two");
  }
  if (task.answer_model) {
    ASSIGN_OR_RETURN(parts->answer_model,
                     AnswerModel::Create(*task.answer_model, model, environment, static_cast<uint64_t>(settings.seed)));
  }
  ASSIGN_OR_RETURN(parts->text_terms, MakeTextTerms(task.reward, *parts->tokenizer));
  ASSIGN_OR_RETURN(parts->reward, parts->kind->MakeReward(*parts));
  return parts;
}

StatusOr<ConditionId> AddCondition(TextParts& parts, const std::string& prompt_template, const TextExample& example) {
  const std::string name = example.where + ": example '" + example.id + "'";
  auto encoded = parts.kind->Encode(*parts.tokenizer, prompt_template, example);
  if (!encoded.ok()) return Annotate(encoded.status(), name);
  SequenceCondition condition = *std::move(encoded);
  const int64_t vocab_size = parts.model->config().vocab_size;
  RETURN_IF_ERROR(CheckIds(*parts.tokenizer, condition.x, vocab_size, name + ", x,", example.x));
  RETURN_IF_ERROR(CheckIds(*parts.tokenizer, condition.y, vocab_size, name + ", y,", example.y));
  RETURN_IF_ERROR(CheckIds(*parts.tokenizer, condition.prompt, vocab_size, name + ", the prompt", prompt_template));
  const int64_t max_len = parts.environment->support().max_len;
  const int64_t policy_positions = static_cast<int64_t>(condition.prompt.size()) + max_len;
  const int64_t reward_positions = static_cast<int64_t>(condition.x.size() + condition.y.size()) + max_len + 1;
  if (const Status fits = CheckContext(parts.model->config(), std::max(policy_positions, reward_positions)); !fits.ok()) {
    return Annotate(fits, name);
  }
  return InsertCondition(parts.conditions, std::move(condition));
}

StatusOr<TextSplit> LoadSplit(TextParts& parts, const std::string& name, int64_t limit) {
  ASSIGN_OR_RETURN(NamedExamples read, ReadSplit(parts.config().data, name));
  TextSplit split;
  split.examples = std::move(read.examples);
  if (limit > 0 && static_cast<size_t>(limit) < split.examples.size()) split.examples.resize(static_cast<size_t>(limit));
  for (const TextExample& example : split.examples) {
    ASSIGN_OR_RETURN(const ConditionId id, AddCondition(parts, parts.config().prompt, example));
    split.conditions.push_back(id);
  }
  return split;
}

std::vector<ConditionId> DistinctConditions(const TextSplit& split, const LogFunction& log) {
  std::vector<ConditionId> distinct;
  std::map<ConditionId, size_t> first;
  std::string again;
  for (size_t i = 0; i < split.conditions.size(); ++i) {
    const auto [place, is_new] = first.emplace(split.conditions[i], i);
    if (is_new) {
      distinct.push_back(split.conditions[i]);
    } else if (again.empty()) {
      again = split.examples[i].where + " has x and y of " + split.examples[place->second].where;
    }
  }
  if (log && !again.empty()) {
    log(again + "; " + std::to_string(split.conditions.size()) + " lines are " + std::to_string(distinct.size()) +
        " conditions, each of which is trained on once");
  }
  return distinct;
}

}  // namespace gfn
