#include "tasks/text/text_reference.h"

#include <algorithm>

#include "gflownet/base/check.h"
#include "gflownet/base/memory.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/categorical.h"
#include "llm/format/expected_tensors.h"

namespace gfn {
namespace {

// Beyond it a pass in float64 takes minutes on the CPU.
constexpr int64_t kMostReferenceParameters = 1'500'000'000;

}  // namespace

PlainObject ObjectOf(const TrajectoryBatch& batch, int64_t row) {
  PlainObject object{batch.condition_ids[row], {}, 0};
  const int64_t length = batch.lengths_B[row].item<int64_t>();
  for (int64_t k = 0; k + 1 < length; ++k) {
    object.inner.push_back(static_cast<int32_t>(batch.actions_BT[row][k].item<int64_t>()));
  }
  object.stop = batch.actions_BT[row][length - 1].item<int64_t>();
  return object;
}

at::Tensor PlainLogits(const LanguageModel& model, const Adapter* adapter, const std::vector<int32_t>& context,
                       const std::vector<int32_t>& inner) {
  std::vector<int32_t> tokens = context;
  tokens.insert(tokens.end(), inner.begin(), inner.end());
  Forest forest;
  forest.AddRoot(tokens);
  std::vector<int64_t> rows;
  for (size_t i = context.size() - 1; i < tokens.size(); ++i) rows.push_back(static_cast<int64_t>(i));
  const ForwardContext plain{.adapter = adapter, .with_grad = false, .dropout_key = {}};
  return model.Logits(model.Forward(PackForest(forest), rows, plain));
}

PlainLogQ LogQOf(const at::Tensor& logits, const SequenceEnvironment& environment, const PlainObject& object) {
  const TokenRules& rules = environment.rules();
  const std::vector<TokenChoice> along = rules.Along(environment.conditions().Get(object.condition), object.inner);
  const int64_t n = static_cast<int64_t>(object.inner.size());
  PlainLogQ plain{at::zeros({n + 1}, at::kDouble), at::zeros({n + 1}, at::kDouble)};
  for (int64_t k = 0; k <= n; ++k) {
    const at::Tensor legal_V = rules.Legal(along[k]);
    const at::Tensor log_q_V = MaskedLogSoftmax(logits[k].to(at::kCPU, at::kDouble).unsqueeze(0), legal_V).squeeze(0);
    plain.log_pf_T[k] = log_q_V[k < n ? object.inner[k] : object.stop];
    if (rules.Allows(along[k], object.stop)) plain.log_stop_T[k] = log_q_V[object.stop];
  }
  return plain;
}

double PlainLogLikelihood(const TextParts& parts, const PlainObject& object, int64_t k, double rival_penalty) {
  const SequenceCondition& condition = parts.conditions.Get(object.condition);
  std::vector<int32_t> until_stop(object.inner.begin(), object.inner.begin() + k);
  until_stop.push_back(static_cast<int32_t>(object.stop));
  // log p of z_1..k and the stop, and of the ending behind them.
  const auto log_p_of = [&](const std::vector<int32_t>& ending) {
    std::vector<int32_t> behind = until_stop;
    behind.insert(behind.end(), ending.begin(), ending.end());
    const std::vector<int32_t> read(behind.begin(), behind.end() - 1);  // the last token is scored, never read
    const auto sum_of = [&](const Adapter* adapter, size_t begin, size_t end) {
      const at::Tensor log_p = PlainLogits(*parts.model, adapter, condition.x, read).to(at::kCPU, at::kDouble).log_softmax(-1);
      double sum = 0;
      for (size_t i = begin; i < end; ++i) sum += log_p[static_cast<int64_t>(i)][behind[i]].item<double>();
      return sum;
    };
    if (parts.answer_adapter() == nullptr) return sum_of(nullptr, 0, behind.size());
    return sum_of(nullptr, 0, until_stop.size()) + sum_of(parts.answer_adapter(), until_stop.size(), behind.size());
  };
  const double log_p = log_p_of(condition.y);
  if (rival_penalty == 0) return log_p;
  const bool loses = std::ranges::any_of(condition.rivals, [&](const auto& rival) { return log_p_of(rival) > log_p; });
  return log_p - (loses ? rival_penalty : 0);
}

void ReferenceModel::Merge() {
  const at::NoGradGuard no_grad;
  for (size_t layer = 0; layer < adapter.layers.size(); ++layer) {
    for (int slot = 0; slot < kNumSlots; ++slot) {
      const LoraGroup& group = adapter.layers[layer][static_cast<size_t>(slot)];
      const at::Tensor& weight_OI = model->Matrix(static_cast<int64_t>(layer), static_cast<Slot>(slot)).weight();
      for (const LoraPart& part : group.parts) {
        GFN_CHECK(weight_OI.defined()) << "a packed matrix cannot be written to";
        const at::Tensor a = group.a.narrow(0, part.a_begin, part.rank());
        weight_OI.narrow(0, part.module.out_begin, part.module.out_count).add_(at::mm(part.b, a), part.scale);
      }
    }
  }
}

StatusOr<std::unique_ptr<ReferenceModel>> MakeReference(const TextParts& parts, std::string& why_not) {
  const int64_t num_parameters = NumParameters(parts.model->config());
  const double wanted = 10.0 * static_cast<double>(num_parameters) + 0x1p29;
  const double available = static_cast<double>(ReadMemoryLimits().Available());
  if (num_parameters > kMostReferenceParameters || wanted > available) {
    why_not = "a copy of the model in float64 " +
              (wanted > available ? "would take " + FormatBytes(static_cast<int64_t>(wanted)) + " of " +
                                        FormatBytes(static_cast<int64_t>(available))
                                  : "of " + std::to_string(num_parameters) + " parameters would take too long");
    return std::unique_ptr<ReferenceModel>();
  }
  auto reference = std::make_unique<ReferenceModel>();
  ASSIGN_OR_RETURN(reference->model, LanguageModel::Load(*parts.source, {ModelDtype::kFloat64, parts.model->device()}));
  reference->adapter = parts.adapter;
  // What the configuration says, not what the sampler at hand does.
  SetScales(parts.adapter_config, reference->adapter);
  size_t next = 0;
  const auto copy = [&](at::Tensor& factor) {
    const Parameter& own = parts.parameters[next++];
    GFN_CHECK(own.value.is_same(factor)) << own.name << " is not where the adapter has it";
    factor = reference->parameters.Add(own.name, own.group, factor.detach().to(at::kDouble).clone());
  };
  for (auto& layer : reference->adapter.layers) {
    for (LoraGroup& group : layer) {
      if (!group.a.defined()) continue;
      copy(group.a);
      for (LoraPart& part : group.parts) copy(part.b);
    }
  }
  reference->policy = std::make_unique<SequencePolicy>(*reference->model, &reference->adapter, &reference->parameters,
                                                       *parts.environment, PromptSource::kPrompt, parts.config().share_prefixes);
  return reference;
}

}  // namespace gfn
