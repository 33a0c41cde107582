// A whole run as one value, read from YAML and written to resolved.yaml: what is trained, on what, how, and for how long.
// After parsing nobody sees YAML again, and every part gets its own struct.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "gflownet/base/status.h"
#include "tasks/arithmetic/arithmetic_config.h"
#include "tasks/continuation/continuation_config.h"
#include "tasks/infill/infill_config.h"
#include "tasks/posterior/posterior_config.h"
#include "tasks/random_number/random_number_config.h"
#include "tasks/subjectivity/subjectivity_config.h"
#include "tasks/task/run_settings.h"
#include "tasks/world/dvae_world.h"
#include "tasks/world/hypergrid_world.h"
#include "tasks/world/ising_energy_world.h"
#include "tasks/world/mixture_world.h"
#include "tasks/world/own_world.h"
#include "tasks/world/small_worlds.h"
#include "tasks/world/trade_off_world.h"
#include "tasks/world/world_config.h"

namespace gfn {

// A struct per kind. Those with kUsesLanguageModel need `model`; the others refuse it.
using TaskConfig =
    std::variant<InfillConfig, ContinuationConfig, PosteriorConfig, RandomNumberConfig, SubjectivityConfig, ArithmeticConfig,
                 WorldConfig<HypergridWorld>, WorldConfig<BayesNetConfig>, WorldConfig<BitSequenceConfig>, WorldConfig<BoxConfig>,
                 WorldConfig<DvaeWorld>, WorldConfig<IsingConfig>, WorldConfig<IsingEnergyWorld>, WorldConfig<LayeredGraphConfig>,
                 WorldConfig<MixtureWorld>, WorldConfig<PhylogenyConfig>, WorldConfig<PrefixTreeConfig>,
                 WorldConfig<StringTableConfig>, WorldConfig<SubsetConfig>, WorldConfig<TradeOffWorld>,
                 WorldConfig<WindyGridConfig>,
                 WorldConfig<OwnWorld>>;  // the last one, since gfn itself offers none

struct RunConfig : RunSettings {
  TaskConfig task;

  template <class V>
  void Visit(V& v) {
    v("name", name, "for people: titles of reports, the default run folder", NonEmpty{}, MayChange{});
    v("seed", seed, "of every random draw", NonNegative());
    v("device", device, "cpu, cuda or cuda:N");
    v("threads", threads, "CPU threads; 0: all cores", Between(0, 1024), MayChange{});
    v("model", model, "the language model: base of the policy, and the reward; null for tasks without one");
    v("task", task, "what is sampled given what");
    v("lora", lora, "the adapter of the language model that is trained; null: its defaults, or none for tasks without a model");
    v("objective", objective, "the training loss");
    v("warm_start", warm_start, "the loss of the first train.warm_start_steps steps");
    v("train", train, "one optimiser step, and how many");
    v("optimizer", optimizer, "AdamW");
    v("validation", validation, "evaluations on the validation split while training", MayChange{});
    v("evaluation", evaluation, "how a sampler is evaluated");
    v("checkpoint", checkpoint, "when the run is saved", MayChange{});
    v("tensorboard", tensorboard, "also write every number of metrics.jsonl into an event file for TensorBoard in the run folder",
      MayChange{});
  }
  void Validate(ConfigErrors& errors) const;
};

// What the task shares with others on a language model; null for one without.
const TextConfig* TextConfigOf(const TaskConfig& task);
TextConfig* TextConfigOf(TaskConfig& task);
// Is this the kind of a task on a language model?
bool IsTextKind(std::string_view kind);

// The kind of the task, as in YAML.
std::string TaskKind(const RunConfig& config);

// YAML files with overrides "a.b=c", and text as it stands in a run folder. Defaults that depend on the task are filled in.
StatusOr<RunConfig> ReadRunConfig(const std::string& path, const std::vector<std::string>& overrides = {});
StatusOr<RunConfig> ReadRunConfigText(const std::string& text, const std::string& name,
                                      const std::vector<std::string>& overrides = {});

// docs/config.md: every key with its default, limits and meaning.
std::string ConfigReference();

}  // namespace gfn
