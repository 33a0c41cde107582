#include "app/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <limits>

namespace gfn {
namespace {

// Numbers as they are written, in decimal and whole: CLI11 alone clamps what is too large for the type, reads 010 as 8, and takes
// an infinity.
CLI::Validator WholeNumber(int64_t least, int64_t most = std::numeric_limits<int64_t>::max()) {
  const auto check = [least, most](const std::string& text) -> std::string {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = end == text.data() + text.size() && !text.empty() && error != std::errc::invalid_argument;
    if (!is_number) return "expected a whole number, found " + text;
    if (error == std::errc() && value >= least && value <= most) return "";
    if (error == std::errc() && value < least) return "must be at least " + std::to_string(least) + ", found " + text;
    return "must be from " + std::to_string(least) + " to " + std::to_string(most) + ", found " + text;
  };
  return {check, ""};
}
CLI::Validator RealNumber() {
  const auto check = [](const std::string& text) -> std::string {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool fits = end == text.data() + text.size() && error == std::errc() && std::isfinite(value);
    return fits ? "" : "expected a decimal number, found " + text;
  };
  return {check, ""};
}

// Every option that is a number goes through one of these two.
template <class Whole>
CLI::Option* AddWhole(CLI::App* sub, const std::string& name, Whole& value, int64_t least, const std::string& help,
                      int64_t most = std::numeric_limits<int64_t>::max()) {
  return sub->add_option(name, value, help)->check(WholeNumber(least, most))->capture_default_str();
}
CLI::Option* AddReal(CLI::App* sub, const std::string& name, double& value, const std::string& help) {
  return sub->add_option(name, value, help)->check(RealNumber())->capture_default_str();
}

}  // namespace

void OpenStandardStreams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) != -1) continue;
    if (open("/dev/null", O_RDWR) != fd) std::_Exit(1);  // the lowest number that is free, so this one
  }
}

std::optional<Command> ReadCommandLine(int argc, const char* const* argv, const std::string& program, const std::string& about,
                                       int* exit_code) {
  CLI::App app(about, program);
  app.require_subcommand(0, 1);
  app.failure_message(CLI::FailureMessage::help);
  bool version = false;
  app.add_flag("--version", version, "Print the version of gfn, its commit, LibTorch and the device");
  Command chosen = VersionCommand{};

  TrainCommand train;
  train.program = program;
  CLI::App* sub = app.add_subcommand("train", "Train a sampler from a YAML file; prints the run folder");
  sub->add_option("config", train.config, "YAML file, e.g. configs/infill/quickstart.yaml")->required();
  sub->add_option("--set", train.overrides,
                  "Override one key: --set a.b=c (may be repeated); a map, --set 'a={b: c}', takes the place of all of a")
      ->allow_extra_args(false);
  sub->add_option("--out", train.out, "Run folder (default: runs/<name>)");
  sub->add_flag("--resume", train.resume, "Go on with the run in the folder");
  sub->callback([&] { chosen = train; });

  SampleCommand sample;
  sub =
      app.add_subcommand("sample",
                         "Draw samples from a sampler, or score given objects; prints JSON lines: text, ids, log_pf, log_reward, "
                         "terms");
  sub->add_option("target", sample.target, "Run folder, or a checkpoint in one; or a model or YAML file: a sampler without a run")
      ->required();
  sub->add_option("--adapter", sample.adapter,
                  "PEFT folder of the adapter, for a model or YAML file; gfn_sampler.json beside it says what a model samples");
  sub->add_option("--set", sample.overrides, "Set one key, for a model or YAML file: --set a.b=c (may be repeated)")
      ->allow_extra_args(false);
  sub->add_option("--input", sample.input, "JSON lines of the task's format, for tasks that have an input; - is standard input");
  sub->add_option(
      "--score", sample.score,
      "Instead of drawing: the numbers of the objects in these JSON lines (\"ids\" or \"text\"; for worlds \"actions\" "
      "or \"text\"), such as samples printed before; - is standard input");
  AddWhole(sub, "--num", sample.num, 1, "Samples of each line");
  AddReal(sub, "--temperature", sample.temperature, "Sampling temperature; 1 is the sampler itself");
  AddWhole(sub, "--top-k", sample.top_k, 0, "Sample among the k most probable tokens; 0: all");
  AddReal(sub, "--top-p", sample.top_p, "Sample among the most probable tokens that hold this probability");
  AddReal(sub, "--min-p", sample.min_p, "Sample among tokens of at least this share of the most probable one's probability");
  sub->add_option(
      "--method", sample.method,
      "Instead of the sampler's own draws: greedy, beam, diverse_beam, best_of, importance, smc, metropolis_hastings; with "
      "keys of its own: '{kind: smc, particles: 64}' (docs/config.md, task.baselines.method)");
  AddWhole(sub, "--seed", sample.seed, 0, "Seed of the draws");
  sub->callback([&] { chosen = sample; });

  EvalCommand eval;
  sub = app.add_subcommand(
      "eval",
      "Measure the trained sampler: against fixed baselines on a split, or against the exact answer of a world; prints a table");
  sub->add_option("run", eval.run, "Run folder, or a checkpoint in one")->required();
  sub->add_option("--split", eval.split, "train, validation or test")->capture_default_str();
  sub->add_option("--data", eval.data, "A file of the task's format instead of a split");
  sub->add_flag(
      "--simulated", eval.simulated,
      "On texts that the frozen model draws behind the beginnings of the split, each an exact sample of its posterior: bounds "
      "of log Z from both sides, KL(q | p) and KL(p | q)");
  sub->add_option("--json", eval.json, "Also write the numbers to this file");
  AddWhole(sub, "--samples", eval.samples, 0, "Samples of each example, K of the importance bound (0: the run's)");
  AddWhole(sub, "--max-conditions", eval.max_conditions, 0, "Only the first so many examples (0: all)");
  sub->add_option("--checkpoint", eval.checkpoint, "best or last")->capture_default_str();
  AddWhole(sub, "--show", eval.show, 0, "Also print samples of the first so many examples, side by side");
  sub->callback([&] { chosen = eval; });

  EstimateCommand estimate;
  sub = app.add_subcommand("estimate",
                           "Answer questions about a trained sampler, with intervals: log Z, flows, entropies, marginals");
  sub->add_option("run", estimate.run, "Run folder, or a checkpoint in one")->required();
  sub->add_option("--what", estimate.what,
                  "log_z, flow, free_energy, entropy, marginal, mutual_information, condition_information, target_entropy")
      ->delimiter(',')
      ->capture_default_str();
  sub->add_option("--after", estimate.after,
                  "The state asked about: the actions that lead to it, e.g. 0,1 (default: the initial state)")
      ->delimiter(',')
      ->check(WholeNumber(0));
  sub->add_option("--places", estimate.places, "The two places of the object for mutual_information (default 0,1)")
      ->delimiter(',')
      ->expected(2)
      ->check(WholeNumber(0));
  sub->add_option("--second", estimate.second,
                  "The run of the second sampler for target_entropy: the same world trained with task.entropy_target");
  AddWhole(sub, "--condition", estimate.condition, 0, "Number of the condition");
  AddWhole(sub, "--samples", estimate.samples, 2, "Samples of each quantity");
  AddWhole(sub, "--backward", estimate.backward, 1, "Trajectories drawn back from each sample, for entropies in a DAG");
  AddReal(sub, "--confidence", estimate.confidence, "Of the intervals");
  AddWhole(sub, "--seed", estimate.seed, 0, "Seed of the draws");
  sub->add_option("--json", estimate.json, "Also write the numbers to this file");
  sub->callback([&] { chosen = estimate; });

  DoctorCommand doctor;
  sub = app.add_subcommand("doctor",
                           "Check on your own model and machine that the sampler is what it claims; green or red, with numbers");
  sub->add_option("target", doctor.target, "Run folder or YAML file")->required();
  sub->add_option("--set", doctor.overrides, "Override one key of a YAML file")->allow_extra_args(false);
  sub->callback([&] { chosen = doctor; });

  DescribeCommand describe;
  sub = app.add_subcommand("describe",
                           "What would run: shapes, parameters, memory, every key; or the state of a run folder; or a model");
  sub->add_option("target", describe.target, "YAML file, run folder, or model");
  sub->add_flag("--keys", describe.keys, "Print every key of a YAML file with its meaning, as Markdown (docs/config.md)");
  sub->add_option("--set", describe.overrides, "Override one key of a YAML file")->allow_extra_args(false);
  sub->callback([&] { chosen = describe; });

  BenchCommand bench;
  sub = app.add_subcommand(
      "bench",
      "Measure one training step of the infilling task phase by phase, or of the small worlds; decoding; what bf16 changes");
  sub->add_option("what", bench.what, "infill, decode, rounding or core")->capture_default_str();
  sub->add_option("--model", bench.model, "Model file or folder (default: the one tools/setup fetched)");
  sub->add_option("--dtype", bench.dtype, "fp32 or bf16")->capture_default_str();
  sub->add_option("--device", bench.device, "cpu or cuda")->capture_default_str();
  AddWhole(sub, "--threads", bench.threads, 0, "CPU threads; 0: all cores", 1024);
  AddWhole(sub, "--prompts", bench.prompts, 1, "Prompts of a step");
  AddWhole(sub, "--batch", bench.batch, 1, "Rollouts of each prompt");
  AddWhole(sub, "--prompt-tokens", bench.prompt_tokens, 1, "Tokens of X");
  AddWhole(sub, "--suffix-tokens", bench.suffix_tokens, 1, "Tokens of the suffix, its stop included");
  AddWhole(sub, "--max-len", bench.max_len, 1, "Tokens generated");
  AddWhole(sub, "--rank", bench.rank, 1, "LoRA rank, all projections");
  AddWhole(sub, "--repeats", bench.repeats, 1, "Measured steps, after one to warm up");
  sub->add_flag("--share-prefixes", bench.share_prefixes, "Compute what rollouts have in common once");
  sub->add_option("--sweep", bench.sweep,
                  "Of infill: cost against size: batch, prompts, prompt-tokens, suffix-tokens or max-len");
  sub->add_option("--page", bench.page, "Of a sweep: also write table and plot to this HTML file");
  AddWhole(sub, "--new-tokens", bench.new_tokens, 1, "Of decode: tokens decoded behind the prompt");
  sub->add_option("--cell", bench.cell, "Of core: only this cell, WORLD/BATCH, or convergence");
  sub->add_option("--json", bench.json, "Also write the numbers to this file");
  sub->callback([&] { chosen = bench; });

  CompareCommand compare;
  sub = app.add_subcommand("compare",
                           "Several runs on one page: settings that differ, curves, evaluations, samples; prints the tables");
  sub->add_option("runs", compare.runs, "Run folders")->required();
  sub->add_option("--out", compare.out, "HTML file to write")->capture_default_str();
  sub->callback([&] { chosen = compare; });

  SweepCommand sweep;
  sub =
      app.add_subcommand("sweep",
                         "Train and evaluate several runs of a recipe that differ in some keys and seeds; prints one table. The "
                         "same command goes on with a sweep that was stopped");
  sub->add_option("config", sweep.config, "YAML file of a sweep (recipe, grid, seeds), or a recipe")->required();
  sub->add_option("--grid", sweep.grid, "Values of one key: --grid a.b=1,2,3 (may be repeated)")->allow_extra_args(false);
  sub->add_option("--set", sweep.overrides, "Override one key in all runs (may be repeated)")->allow_extra_args(false);
  sub->add_option("--seeds", sweep.seeds, "Runs of each point, which differ in their seed")->check(WholeNumber(1));
  sub->add_option("--out", sweep.out, "Folder of the runs (default: runs/<name>)");
  sub->callback([&] { chosen = sweep; });

  DataCommand data;
  sub = app.add_subcommand("data", "Make data to train on: arithmetic questions with worked solutions; prints the folder");
  sub->add_option("kind", data.kind, "arithmetic");
  sub->add_option("--out", data.out, "Folder to write");
  sub->add_option("--set", data.overrides, "Set one key: --set train=500 (may be repeated)")->allow_extra_args(false);
  sub->add_option("--seed", data.seed, "Seed of what is drawn; the same as --set seed=N")->check(WholeNumber(0));
  sub->add_flag("--keys", data.keys, "Print every kind with its keys, as Markdown");
  sub->callback([&] { chosen = data; });

  ReportCommand report;
  sub = app.add_subcommand("report", "Write report.html of a run; prints its path");
  sub->add_option("run", report.run, "Run folder")->required();
  sub->callback([&] { chosen = report; });

  MergeCommand merge;
  sub = app.add_subcommand("merge", "Write the base model with the trained adapter merged in, as a Hugging Face folder");
  sub->add_option("run", merge.run, "Run folder, or a checkpoint in one")->required();
  sub->add_option("--out", merge.out, "Folder to write")->required();
  sub->add_option("--dtype", merge.dtype, "fp32 or bf16 (bf16 rounds most of a small adapter away)")->capture_default_str();
  sub->callback([&] { chosen = merge; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    *exit_code = app.exit(e) == 0 ? 0 : 2;
    return std::nullopt;
  }
  if (app.get_subcommands().empty() && !version) {
    std::cerr << app.help();
    *exit_code = 2;
    return std::nullopt;
  }
  return chosen;
}

}  // namespace gfn
