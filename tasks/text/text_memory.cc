#include <algorithm>
#include <cmath>
#include <functional>

#include "llm/format/expected_tensors.h"
#include "tasks/text/text_task.h"

namespace gfn {

namespace {

// Token counts of every example, the largest first.
struct TextLengths {
  std::vector<double> prompt, x, y;
  double num_trained = 0;  // lines that are trained on
  // What `count` examples of a batch can have together.
  static double Sum(const std::vector<double>& lengths, double count) {
    double sum = 0;
    for (size_t i = 0; i < lengths.size() && static_cast<double>(i) < count; ++i) sum += lengths[i];
    const double missing = count - static_cast<double>(lengths.size());
    return sum + (missing > 0 ? missing * lengths[0] : 0);
  }
};

// Of the longest examples by bytes: enough for every batch that a machine has room for.
constexpr size_t kMostMeasured = 512;

StatusOr<TextLengths> MeasureTexts(const TextKind& kind, const ModelSourceConfig& source) {
  const TextConfig& task = kind.config();
  ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizer(source.tokenizer.empty() ? source.path : source.tokenizer));
  ASSIGN_OR_RETURN(NamedExamples train, ReadSplit(task.data, "train"));
  std::vector<TextExample>& examples = train.examples;
  if (task.data.train_limit > 0 && static_cast<size_t>(task.data.train_limit) < examples.size()) {
    examples.resize(static_cast<size_t>(task.data.train_limit));
  }
  TextLengths lengths;
  lengths.num_trained = static_cast<double>(examples.size());
  if (task.data.HasValidation()) {
    ASSIGN_OR_RETURN(const NamedExamples more, ReadSplit(task.data, "validation"));
    examples.insert(examples.end(), more.examples.begin(), more.examples.end());
  }
  const auto bytes = [](const TextExample& example) { return example.x.size() + example.y.size(); };
  const size_t measured = std::min(kMostMeasured, examples.size());
  std::partial_sort(examples.begin(), examples.begin() + static_cast<int64_t>(measured), examples.end(),
                    [&](const TextExample& a, const TextExample& b) { return bytes(a) > bytes(b); });
  for (size_t i = 0; i < measured; ++i) {
    ASSIGN_OR_RETURN(const SequenceCondition tokens, kind.Encode(*tokenizer, task.prompt, examples[i]));
    lengths.prompt.push_back(static_cast<double>(tokens.prompt.size()));
    lengths.x.push_back(static_cast<double>(tokens.x.size()));
    lengths.y.push_back(static_cast<double>(tokens.y.size()));
  }
  for (std::vector<double>* of_part : {&lengths.prompt, &lengths.x, &lengths.y}) {
    std::sort(of_part->begin(), of_part->end(), std::greater<>());
  }
  return lengths;
}

}  // namespace

StatusOr<MemoryParts> EstimateTextMemory(const TextKind& kind, const RunSettings& settings, const ModelConfig& model) {
  const TextConfig& task = kind.config();
  ASSIGN_OR_RETURN(const TextLengths lengths, MeasureTexts(kind, *settings.model));
  const TrainerConfig& trainer = settings.train.trainer;
  const LoraConfig lora = settings.lora.value_or(LoraConfig{});
  const ModelDtype dtype = settings.model->dtype;
  const auto number = [](int64_t n) { return static_cast<double>(n); };
  const double real = dtype == ModelDtype::kFloat64 ? 8 : 4, weight = dtype == ModelDtype::kBFloat16 ? 2 : real;
  const double width = number(model.hidden_size), inner = number(model.intermediate_size), layers = number(model.num_layers),
               queries = number(model.q_width()), keys = number(model.kv_width()),
               up = number(ProductOf(model, Slot::kUp).outputs()), vocabulary = number(model.vocab_size);
  const double adapter_width = 7 * number(lora.Rank());  // of the products of one layer, at most

  // A step: the rollouts of some conditions at a time behind their prompts, with all that the way back needs.
  const double together =
      number(trainer.micro_batch_conditions > 0 ? std::min(trainer.micro_batch_conditions, trainer.conditions_per_step)
                                                : trainer.conditions_per_step);
  const double rollouts = number(trainer.rollouts), most = number(task.support.max_len);
  const double scored = TextLengths::Sum(lengths.prompt, together) + together * rollouts * most;
  const double tape = scored * layers * (number(NumTapeNumbers(model)) + adapter_width);
  const double one_layer_back = scored * (4 * width + 2 * queries + 2 * keys + 2 * up + 2 * inner);
  // Without a way back one layer is at work at a time.
  const double one_layer = 4 * width + 2 * queries + 2 * keys + up + inner + adapter_width;
  // The reward reads a copy of the ending behind every prefix, in chunks of whole conditions.
  const double copies = most - number(std::min(task.support.min_len, task.support.max_len)) + 1;
  const double of_condition = lengths.x[0] + rollouts * (most + copies * (1 + lengths.y[0]));
  const double all = TextLengths::Sum(lengths.x, together) + together * rollouts * most +
                     rollouts * copies * (together + TextLengths::Sum(lengths.y, together));
  const double read = std::min(all, number(LikelihoodRewardOptions{}.max_positions) + of_condition);
  // Keys and values of the prompts once and of each rollout's own tokens; logits of all rollouts at one place.
  const auto decoding = [&](double prompts, double rows) {
    return real * 2 * (prompts + rows * (most + 1)) * layers * keys + 4 * real * rows * vocabulary + rows * real * one_layer;
  };
  const double step = std::max({decoding(TextLengths::Sum(lengths.prompt, together), together * rollouts),
                                real * (tape + one_layer_back), real * read * one_layer});

  // An evaluation: so many rows at a time, of as many conditions as they belong to; finished objects alone.
  const double rows = number(settings.evaluation.batch_rows);
  const double conditions = std::ceil(rows / number(settings.evaluation.samples)) + 1;
  const double finished = TextLengths::Sum(lengths.x, conditions) + rows * (most + 1) + rows * lengths.y[0];
  const double judged = std::min(finished, number(LikelihoodRewardOptions{}.max_positions) + lengths.x[0] +
                                               number(settings.evaluation.samples) * (most + 1 + lengths.y[0]));
  const double replies = TextLengths::Sum(lengths.prompt, conditions) + rows * most;
  const double evaluation =
      std::max(decoding(TextLengths::Sum(lengths.prompt, conditions), rows), real * std::max(judged, replies) * one_layer);
  // An M-step reads all its rationales at once, with the way back.
  double m_step = 0;
  if (task.answer_model) {
    const EmConfig& em = task.answer_model->em;
    const auto* sampler = std::get_if<SamplerEStepConfig>(&em.e_step);
    const double x = em.m_conditions > 0 ? std::min(number(em.m_conditions), lengths.num_trained) : lengths.num_trained;
    const double rationales = x * (sampler == nullptr ? 1 : number(sampler->samples));
    const double positions = TextLengths::Sum(lengths.x, x) + rationales * (most + 1 + 2 * lengths.y[0]);
    m_step = real * positions *
             (layers * (number(NumTapeNumbers(model)) + 7 * number(task.answer_model->lora.Rank())) +
              (4 * width + 2 * queries + 2 * keys + 2 * up + 2 * inner));
  }
  MemoryParts parts = {{"weights", number(NumParameters(model)) * weight},
                       {"adapter and optimiser", 16.0 * number(NumLoraParameters(model, lora))},  // value, gradient, two moments
                       {"a training step", step}};
  if (task.answer_model) {
    parts.emplace_back("adapter of the answers and optimiser", 16.0 * number(NumLoraParameters(model, task.answer_model->lora)));
    parts.emplace_back("an M-step beyond that", std::max(0.0, m_step - step));
  }
  parts.emplace_back("evaluation beyond it", std::max(0.0, evaluation - std::max(step, m_step)));
  return parts;
}

}  // namespace gfn
