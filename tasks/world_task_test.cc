// Worlds behind the interface of all tasks: from YAML to a trained sampler whose distribution is known.
#include "tasks/world/world_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/test_folder.h"
#include "tasks/build.h"
#include "tasks/training.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kGrid[] =
    "name: grid\nthreads: 1\ntask: {kind: hypergrid, dimensions: 2, side: 4, policy: {kind: tabular}}\nobjective: {kind: tb}\n"
    "train: {max_steps: 300, rollouts: 32}\noptimizer: {learning_rate: 0.05, groups: [{group: log_z, learning_rate_scale: 4}]}\n"
    "evaluation: {samples: 256}\n";

RunConfig Config(const std::string& text) {
  auto config = ReadRunConfigText(text, "test.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return *std::move(config);
}

std::string Refusal(const std::string& text) {
  const auto config = ReadRunConfigText(text, "test.yaml");
  if (!config.ok()) return std::string(Message(config.status()));
  const auto task = BuildTask(*config, {});
  return task.ok() ? "accepted" : std::string(Message(task.status()));
}

TEST(WorldTask, TrainsToItsTargetAndKnowsIt) {
  const TestFolder folder;
  const RunPaths paths{folder.path()};
  const RunConfig config = Config(kGrid);
  auto task = BuildTask(config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto data = (*task)->LoadTraining(paths, {});
  ASSERT_TRUE(data.ok()) << data.status();
  const auto training = MakeTraining(config, **task, *data, "");
  ASSERT_TRUE(training.ok()) << training.status();
  const auto before = (*task)->Validate();
  ASSERT_TRUE(before.ok()) << before.status();
  for (int64_t step = 0; step < config.train.limits.max_steps; ++step) {
    const auto metrics = training->trainer->Step();
    ASSERT_TRUE(metrics.ok()) << metrics.status();
  }
  const auto after = (*task)->Validate();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GT(*before->metrics.Find("total_variation"), 0.2);
  EXPECT_LT(*after->metrics.Find("total_variation"), 0.04);
  EXPECT_EQ(after->score, -*after->metrics.Find("total_variation"));
  EXPECT_LT(*after->metrics.Find("log_z_error"), 0.1);
  EXPECT_GT(*after->metrics.Find("correlation"), 0.95);
  EXPECT_LT(*after->metrics.Find("spread"), 0.3);
  EXPECT_LT(*after->metrics.Find("elbo"), *after->metrics.Find("exact_log_z") + 0.1);

  // What the report and `gfn sample` make of it.
  ASSERT_TRUE((*task)->Export(paths, 300).ok());
  EXPECT_TRUE(FileExists(folder / "eval_world.json"));
  int64_t lines = 0;
  SampleRequest request;
  request.num = 5;
  ASSERT_TRUE((*task)
                  ->Sample(request,
                           [&](const nlohmann::json& line) {
                             ++lines;
                             EXPECT_TRUE(line.contains("text") && line.contains("log_pf") && line.contains("log_reward")) << line;
                             return OkStatus();
                           })
                  .ok());
  EXPECT_EQ(lines, 5);
  const auto examination = (*task)->Examine();
  ASSERT_TRUE(examination.ok()) << examination.status();
  EXPECT_EQ(examination->checks.size(), 15u);
  for (const Check& check : examination->checks) EXPECT_TRUE(check.ok()) << check.name << ": " << check.found;
  report::Report page;
  ASSERT_TRUE(MakePlan(config)->Report({}, page).ok());
  EXPECT_FALSE(page.sections.empty());
}

TEST(WorldTask, MlpWithFlowsHasWhatTheObjectiveNeeds) {
  for (const char* objective : {"db", "subtb"}) {
    const RunConfig config = Config(
        "threads: 1\ntask: {kind: hypergrid, dimensions: 2, side: 4, policy: {kind: mlp, width: 16, depth: 1}}\nobjective: "
        "{kind: " +
        std::string(objective) + "}\ntrain: {rollouts: 4}\n");
    auto task = BuildTask(config, {});
    ASSERT_TRUE(task.ok()) << task.status();
    const auto training = MakeTraining(config, **task, *(*task)->LoadTraining(RunPaths{"."}, {}), "");
    ASSERT_TRUE(training.ok()) << training.status();
    EXPECT_TRUE(training->trainer->Step().ok());
  }
}

TEST(WorldTask, FlowsOfEdgesAndCountedTrajectories) {
  const std::string grid =
      "threads: 1\ntask: {kind: hypergrid, side: 3, policy: {kind: tabular}, backward: max_entropy}\ntrain: {rollouts: 16}\n"
      "optimizer: {learning_rate: 0.1}\nevaluation: {samples: 64}\nobjective: {kind: ";
  for (const char* objective : {"fm", "db", "vargrad"}) {
    SCOPED_TRACE(objective);
    const RunConfig config = Config(grid + objective + "}\n");
    auto task = BuildTask(config, {});
    ASSERT_TRUE(task.ok()) << task.status();
    const auto training = MakeTraining(config, **task, *(*task)->LoadTraining(RunPaths{"."}, {}), "");
    ASSERT_TRUE(training.ok()) << training.status();
    for (int step = 0; step < 500; ++step) ASSERT_TRUE(training->trainer->Step().ok());
    const auto evaluation = (*task)->Validate();
    ASSERT_TRUE(evaluation.ok()) << evaluation.status();
    EXPECT_LT(*evaluation->metrics.Find("total_variation"), 0.15);
  }
  EXPECT_THAT(Refusal("task: {kind: hypergrid, dimensions: 8, side: 64, policy: {kind: tabular}}\n"), HasSubstr("task.policy"));
  EXPECT_THAT(Refusal("task: {kind: hypergrid, dimensions: 8, side: 64, backward: max_entropy}\n"), HasSubstr("task.backward"));
}

// Every preference is a distribution of its own: none stands for the others, and what is a mean says so.
TEST(WorldTask, TheReportShowsEveryCondition) {
  const TestFolder folder;
  const RunConfig config = Config(
      "threads: 1\ntask: {kind: trade_off, side: 4, divisions: 4, policy: {kind: mlp, width: 8, depth: 1}}\nobjective: {kind: "
      "tb}\n"
      "train: {rollouts: 4}\nevaluation: {samples: 32}\n");
  auto task = BuildTask(config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto result = (*task)->Evaluate({});
  ASSERT_TRUE(result.ok()) << result.status();
  const nlohmann::json& conditions = result->numbers["conditions"];
  ASSERT_EQ(conditions.size(), 5u);
  double sum = 0;
  for (const nlohmann::json& condition : conditions) sum += condition["total_variation"].get<double>();
  EXPECT_NEAR(result->numbers["metrics"]["total_variation"].get<double>(), sum / 5, 1e-12);
  EXPECT_THAT(report::FormatTable(result->table), HasSubstr("exact, mean over 5 conditions"));
  const nlohmann::json& pictures = result->pictures["distributions"];
  ASSERT_EQ(pictures.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(pictures[i]["condition"], conditions[i]["condition"]);
    double total = 0;
    for (size_t x = 0; x < 16; ++x)
      total += std::abs(pictures[i]["grid"]["true"][x].get<double>() - pictures[i]["grid"]["learned"][x].get<double>()) / 2;
    EXPECT_NEAR(total, conditions[i]["total_variation"].get<double>(), 1e-6);
  }
  EXPECT_NE(pictures[0]["grid"]["true"], pictures[4]["grid"]["true"]);
  nlohmann::json record = result->numbers;
  record.update(result->pictures);
  report::Report page;
  ASSERT_TRUE(MakePlan(config)->Report({.lines = {}, .evaluations = {{"world", record}}}, page).ok());
  int64_t maps = 0, rows = 0;
  for (const report::Block& block : page.sections[0].blocks) {
    const auto* figure = std::get_if<report::Figure>(&block);
    if (figure != nullptr && std::holds_alternative<report::HeatMap>(figure->chart)) ++maps;
    if (const auto* table = std::get_if<report::Table>(&block); table != nullptr) rows = static_cast<int64_t>(table->rows.size());
  }
  EXPECT_EQ(maps, 5);
  EXPECT_EQ(rows, 6) << "five conditions and their mean";
  for (const report::Headline& headline : page.headlines) EXPECT_THAT(headline.detail, HasSubstr("mean over 5 conditions"));
}

TEST(WorldTask, EveryWorldTrainsAndIsMeasured) {
  for (const char* task :
       {"kind: bayes_net, num_nodes: 3", "kind: bit_sequence, num_bits: 6, word_bits: 2, reward: {num_modes: 2}",
        "kind: box, dimensions: 1", "kind: ising, side: 2", "kind: ising_energy, side: 2", "kind: layered_graph, width: 3",
        "kind: mixture, simulation: {num: 20}", "kind: phylogeny, num_species: 4", "kind: sequence, max_length: 3",
        "kind: subset, num_elements: 4, max_size: 3", "kind: trade_off, side: 3", "kind: windy_grid, side: 3"}) {
    SCOPED_TRACE(task);
    const RunConfig config =
        Config(std::string("threads: 1\ntask: {") + task + ", policy: {kind: mlp, width: 8, depth: 1}}\nobjective: {kind: tb}\n" +
               "train: {rollouts: 4}\nevaluation: {samples: 16}\n");
    auto built = BuildTask(config, {});
    ASSERT_TRUE(built.ok()) << built.status();
    const auto training = MakeTraining(config, **built, *(*built)->LoadTraining(RunPaths{"."}, {}), "");
    ASSERT_TRUE(training.ok()) << training.status();
    const auto metrics = training->trainer->Step();
    ASSERT_TRUE(metrics.ok()) << metrics.status();
    const auto evaluation = (*built)->Validate();
    ASSERT_TRUE(evaluation.ok()) << evaluation.status();
    EXPECT_NE(evaluation->metrics.Find("total_variation"), nullptr);
  }
}

// A recipe of one objective with another one's kind: what only the first needs stands idle, what is no group at all is refused.
TEST(WorldTask, AnotherObjectiveOnTheSameRecipe) {
  const std::string grid = "threads: 1\ntask: {kind: hypergrid, side: 4, policy: {kind: mlp, width: 8}}\ntrain: {rollouts: 4}\n";
  const auto made = [&](const std::string& rest) {
    const RunConfig config = Config(grid + rest);
    const auto task = BuildTask(config, {});
    EXPECT_TRUE(task.ok()) << task.status();
    const auto training = MakeTraining(config, **task, *(*task)->LoadTraining(RunPaths{"."}, {}), "");
    return training.ok() ? "made" : std::string(Message(training.status()));
  };
  const std::string rate = "optimizer: {groups: [{group: log_z, learning_rate_scale: 100}]}\n";
  for (const char* kind : {"tb", "vargrad", "db", "subtb", "fm", "modified_subtb", "modified_db", "reinforce", "ppo", "soft_q"}) {
    EXPECT_EQ(made(rate + "objective: {kind: " + kind + "}\n"), "made") << kind;
  }
  EXPECT_THAT(made("optimizer: {groups: [{group: log_z}, {group: flows}]}\nobjective: {kind: tb}\n"),
              AllOf(HasSubstr("optimizer.groups.1.group"), HasSubstr("'flows'"), HasSubstr("policy, log_z"),
                    HasSubstr("remove this entry")));
}

TEST(WorldTask, WhatCouldBeOfferedIsNamed) {
  const auto refusal = [](const std::string& text) {
    const RunConfig config = Config("threads: 1\n" + text);
    const auto task = BuildTask(config, {});
    EXPECT_TRUE(task.ok()) << task.status();
    const auto training = MakeTraining(config, **task, *(*task)->LoadTraining(RunPaths{"."}, {}), "");
    return training.ok() ? "made" : std::string(Message(training.status()));
  };
  EXPECT_THAT(refusal("task: {kind: hypergrid}\nobjective: {kind: vargrad}\ntrain: {rollouts: 1}\n"),
              HasSubstr("; here fit: tb, db, forward-looking db, subtb, forward-looking subtb, modified_db, fm, ppo, soft_q, "
                        "path_consistency"));
  EXPECT_THAT(refusal("task: {kind: windy_grid, backward: uniform}\nobjective: {kind: tb}\n"),
              AllOf(HasSubstr("with a fixed P_B"), HasSubstr("task.backward: learned")));
  const auto task = BuildTask(Config("threads: 1\ntask: {kind: windy_grid, backward: uniform}\nobjective: {kind: tb}\n"), {});
  ASSERT_TRUE(task.ok());
  EXPECT_THAT(std::string(Message((*task)->Examine().status())), HasSubstr("with a fixed P_B")) << "nor is it healthy";
}

TEST(WorldTask, KeysOfLanguageModelsAreNeitherNeededNorAccepted) {
  const std::string grid = "task: {kind: hypergrid}\n";
  EXPECT_EQ(Refusal(grid), "accepted");
  EXPECT_THAT(Refusal(grid + "model: {path: m.gguf}\n"),
              AllOf(HasSubstr("[model]"), HasSubstr("hypergrid has no language model")));
  EXPECT_THAT(Refusal(grid + "lora: {rank: 4}\n"), HasSubstr("[lora]"));
  EXPECT_THAT(Refusal("task: {kind: infill, data: {train: t.jsonl}}\n"),
              AllOf(HasSubstr("[model]"), HasSubstr("infill needs a language model")));
}

TEST(WorldTask, ExactMetricsOfALargeWorldAreRefusedWhereTheyAreRequired) {
  const std::string big = "task: {kind: hypergrid, dimensions: 3, side: 20, metrics: {exact: ";
  EXPECT_THAT(Refusal(big + "required, max_states: 7999}}\n"),
              AllOf(HasSubstr("task.metrics.exact"), HasSubstr("8000 states"), HasSubstr("7999")));
  EXPECT_EQ(Refusal(big + "required, max_states: 8000}}\n"), "accepted");
  const RunConfig config = Config(big +
                                  "auto, max_states: 100}, policy: {kind: mlp, width: 16, depth: 1}}\nobjective: {kind: "
                                  "tb}\nthreads: 1\nevaluation: {samples: 16}\n");
  auto task = BuildTask(config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto evaluation = (*task)->Validate();
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(evaluation->metrics.Find("total_variation"), nullptr);
  EXPECT_EQ(evaluation->score, *evaluation->metrics.Find("elbo"));
}

constexpr char kEnergy[] =
    "threads: 1\ntask: {kind: ising_energy, side: 3, policy: {kind: tabular}, energy_optimizer: {learning_rate: "
    "0.05}}\nobjective: {kind: vargrad}\n"
    "train: {rollouts: 64}\noptimizer: {learning_rate: 0.1}\nevaluation: {samples: 128}\n";

TEST(WorldTask, AnEnergyIsLearnedWithItsSampler) {
  const TestFolder folder;
  const RunPaths paths{folder.path()};
  const RunConfig config = Config(kEnergy);
  auto task = BuildTask(config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  auto training = MakeTraining(config, **task, *(*task)->LoadTraining(paths, {}), "");
  ASSERT_TRUE(training.ok()) << training.status();
  const auto before = (*task)->Validate();
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_NEAR(*before->metrics.Find("log_likelihood"), -9 * std::log(2.0), 1e-9);  // no couplings yet
  for (int step = 0; step < 150; ++step) ASSERT_TRUE(training->loop().Step().ok());
  const auto after = (*task)->Validate();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GT(*before->metrics.Find("coupling_error"), 0.25);
  EXPECT_LT(*after->metrics.Find("coupling_error"), 0.1);
  EXPECT_GT(*after->metrics.Find("log_likelihood"), *before->metrics.Find("log_likelihood") + 0.5);
  EXPECT_LT(*after->metrics.Find("total_variation"), 0.3);  // of the sampler from the energy as it stands
  EXPECT_EQ(after->score, *after->metrics.Find("log_likelihood"));

  // A checkpoint holds both.
  ASSERT_TRUE(training->loop().Save(folder.path()).ok());
  auto again = BuildTask(config, {});
  ASSERT_TRUE(again.ok() && LoadTrained(folder.path(), **again).ok());
  EXPECT_EQ((*again)->Validate()->metrics, after->metrics);
  auto resumed = MakeTraining(config, **again, *(*again)->LoadTraining(paths, {}), "");
  ASSERT_TRUE(resumed.ok() && resumed->loop().Load(folder.path()).ok());
  EXPECT_EQ(resumed->loop().num_steps(), 150);
  EXPECT_EQ(*resumed->loop().Step(), *training->loop().Step());
}

TEST(WorldTask, SpinsOfAFileAndWhatDoesNotGoWithAnEnergy) {
  const TestFolder folder;
  const std::string file = folder / "spins.jsonl", from_file = "task: {kind: ising_energy, side: 2, data: " + file + "}\n";
  ASSERT_TRUE(WriteFileAtomic(file, "{\"text\": \"++--\"}\n{\"text\": \"+-+-\"}\n").ok());
  EXPECT_EQ(Refusal(from_file), "accepted");
  const auto identity = [&] { return (*BuildTask(Config(from_file), {}))->sampler().identity; };
  const auto before = identity();
  EXPECT_EQ(before, identity());
  ASSERT_TRUE(WriteFileAtomic(file, "{\"text\": \"++--\"}\n{\"text\": \"+--+\"}\n").ok());
  EXPECT_NE(before.at("task.data"), identity().at("task.data")) << "an energy of other data is another one";
  ASSERT_TRUE(WriteFileAtomic(file, "{\"text\": \"++--\"}\n{\"text\": \"+0+-\"}\n").ok());
  EXPECT_THAT(Refusal(from_file), AllOf(HasSubstr("spins.jsonl:2"), HasSubstr("4 signs")));
  EXPECT_THAT(Refusal("task: {kind: ising_energy, side: 8}\n"), HasSubstr("task.data"));
  const RunConfig config = Config(
      "task: {kind: ising_energy, side: 2}\nobjective: {kind: vargrad}\ntrain: {behaviour: {on_policy: 0.5, replay: 0.5}}\n");
  auto task = BuildTask(config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto training = MakeTraining(config, **task, *(*task)->LoadTraining(RunPaths{"."}, {}), "");
  EXPECT_THAT(std::string(Message(training.status())), HasSubstr("older energy"));
}

constexpr char kTradeOff[] =
    "threads: 1\ntask: {kind: trade_off, side: 5, divisions: 2, policy: {kind: mlp, width: 32, depth: 1}, log_z: {kind: network, "
    "width: 16, depth: 1}}\n"
    "objective: {kind: tb}\ntrain: {rollouts: 16, conditions_per_step: 3}\n"
    "optimizer: {learning_rate: 0.01, groups: [{group: log_z, learning_rate_scale: 3}]}\nevaluation: {samples: 128}\n";

TEST(WorldTask, OneSamplerFindsTheFrontOfSeveralRewards) {
  const RunConfig config = Config(kTradeOff);
  auto task = BuildTask(config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto training = MakeTraining(config, **task, *(*task)->LoadTraining(RunPaths{"."}, {}), "");
  ASSERT_TRUE(training.ok()) << training.status();
  const auto before = (*task)->Validate();
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_GT(*before->metrics.Find("total_variation"), 0.3);
  for (int step = 0; step < 400; ++step) ASSERT_TRUE(training->trainer->Step().ok());
  const auto after = (*task)->Validate();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_LT(*after->metrics.Find("total_variation"), 0.1);  // mean over the preferences
  EXPECT_LT(*after->metrics.Find("log_z_error"), 0.15);
  EXPECT_GT(*after->metrics.Find("hypervolume"), 0.97);
  EXPECT_LE(*after->metrics.Find("hypervolume"), 1);
  EXPECT_LT(*after->metrics.Find("front_distance"), 0.05);
  EXPECT_THAT(Refusal("task: {kind: hypergrid, log_z: {kind: network}}\nobjective: {kind: tb}\n"),
              AllOf(HasSubstr("task.log_z"), HasSubstr("table fits")));
}

TEST(WorldTask, TheSecondSamplerOfAnEntropyIsARun) {
  const std::string grid = "threads: 1\ntask: {kind: hypergrid, side: 4, policy: {kind: tabular}, entropy_target: {";
  auto task = BuildTask(Config(grid + "}}\n"), {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto evaluation = (*task)->Validate();
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  // -R' log R' <= 1/e everywhere.
  EXPECT_LT(*evaluation->metrics.Find("exact_log_z"), std::log(16.0) - 1);
  EXPECT_THAT(Refusal("task: {kind: hypergrid, dimensions: 8, side: 64, entropy_target: {}}\n"),
              HasSubstr("task.entropy_target.log_c"));
  EXPECT_EQ(Refusal("task: {kind: hypergrid, dimensions: 8, side: 64, entropy_target: {log_c: 2}}\n"), "accepted");
  EXPECT_THAT(Refusal("task: {kind: box, entropy_target: {}}\n"), HasSubstr("continuous"));
  EXPECT_THAT(Refusal("task: {kind: ising_energy, side: 2, entropy_target: {}}\n"), HasSubstr("no c bounds it"));
  EXPECT_EQ(Refusal("task: {kind: trade_off, side: 3, entropy_target: {}}\n"), "accepted");
}

// 64 objects in the proportions 1 to 3 of the first two: what maximum likelihood of them learns is known.
TEST(WorldTask, LearnsGivenObjectsOfAFile) {
  const TestFolder folder;
  std::string lines;
  for (int i = 0; i < 64; ++i) lines += i % 4 == 0 ? "{\"text\": \"(0, 2) stop\"}\n" : "{\"text\": \"(3, 1) stop\"}\n";
  ASSERT_TRUE(WriteFileAtomic(folder / "given.jsonl", lines).ok());
  const std::string start =
      "threads: 1\ntask: {kind: hypergrid, dimensions: 2, side: 4, policy: {kind: tabular}, backward: uniform, given: " +
      (folder / "given.jsonl") + "}\n";
  const RunConfig config = Config(
      start +
      "objective: {kind: maximum_likelihood}\ntrain: {rollouts: 64, backward_given: true}\noptimizer: {learning_rate: 0.2}\n");
  auto task = BuildTask(config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto data = (*task)->LoadTraining(RunPaths{folder.path()}, {});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->given.size(), 64);
  EXPECT_TRUE((*task)->sampler().identity.contains("task.given")) << "of a run that trains on it";
  EXPECT_FALSE((*BuildTask(config, {}))->sampler().identity.contains("task.given")) << "sampling needs no file";
  const auto training = MakeTraining(config, **task, *data, "");
  ASSERT_TRUE(training.ok()) << training.status();
  for (int step = 0; step < 150; ++step) ASSERT_TRUE(training->trainer->Step().ok());
  std::map<std::string, int> drawn;
  SampleRequest request;
  request.num = 400;
  ASSERT_TRUE(
      (*task)
          ->Sample(request, [&](const nlohmann::json& line) { return ++drawn[line["text"].get<std::string>()], OkStatus(); })
          .ok());
  EXPECT_NEAR(drawn["(0, 2) stop"], 100, 40);
  EXPECT_NEAR(drawn["(3, 1) stop"], 300, 40);

  const auto refusal = [&](const std::string& content, const std::string& text) {
    EXPECT_TRUE(WriteFileAtomic(folder / "given.jsonl", content).ok());
    const auto built = BuildTask(Config(text), {});
    return std::string(Message((*built)->LoadTraining(RunPaths{folder.path()}, {}).status()));
  };
  EXPECT_THAT(refusal("{\"text\": \"(3, 1) stop\"}\n{\"text\": \"(4, 0) stop\"}\n", start),
              AllOf(HasSubstr("given.jsonl:2"), HasSubstr("(4, 0)"), HasSubstr("(0, 0)")));
  EXPECT_THAT(refusal("{\"object\": 1}\n", start), HasSubstr("\"text\""));
  EXPECT_THAT(refusal("", start), HasSubstr("found none"));
  EXPECT_THAT(refusal("", "task: {kind: windy_grid, side: 3, given: " + (folder / "given.jsonl") + "}\n"),
              HasSubstr("deterministic"));
  EXPECT_THAT(refusal("", "task: {kind: box, given: " + (folder / "given.jsonl") + "}\n"), HasSubstr("listed"));
}

}  // namespace
}  // namespace gfn
