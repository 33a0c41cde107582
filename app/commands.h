// What a command is asked to do, as plain values: the command line fills these in, the engine library carries them out. No
// LibTorch here, so that `gfn --help` starts at once.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace gfn {

struct TrainCommand {
  std::string program = "gfn";  // how it was called, for lines that say how to go on
  std::string config;
  std::vector<std::string> overrides;  // "a.b=c"
  std::string out;                     // empty: runs/<name>
  bool resume = false;
};

struct SampleCommand {
  std::string target;                  // a run folder or a checkpoint in one; a model or a YAML file: a sampler without a run
  std::string adapter;                 // a PEFT folder, for a sampler without a run
  std::vector<std::string> overrides;  // "a.b=c", for a sampler without a run
  std::string input;                   // JSON lines, "-": standard input
  std::string score;                   // JSON lines of objects whose numbers are asked for; empty: samples are drawn
  int64_t num = 8;
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  std::string method;  // of decoding, instead of the sampler's own draws
  int64_t seed = 1;
};

struct EvalCommand {
  std::string run;
  std::string split = "test";
  std::string data;        // a file instead of a split
  std::string json;        // where the numbers go, beside the table
  bool simulated = false;  // texts that the frozen model draws, with their exact samples
  int64_t samples = 0;     // 0: the run's
  int64_t max_conditions = 0;
  std::string checkpoint = "best";  // best or last
  int64_t show = 0;                 // samples of so many examples, side by side
};

struct EstimateCommand {
  std::string run;
  std::vector<std::string> what = {"log_z"};
  std::vector<int64_t> after;   // actions that lead to the state asked about
  std::vector<int64_t> places;  // of mutual_information
  std::string second;           // of target_entropy: a run with task.entropy_target
  int64_t condition = 0;
  int64_t samples = 4000;
  int64_t backward = 16;
  double confidence = 0.95;
  int64_t seed = 1;
  std::string json;
};

struct DoctorCommand {
  std::string target;  // a run folder or a YAML file
  std::vector<std::string> overrides;
};

struct DescribeCommand {
  std::string target;  // a YAML file, a run folder or a model
  bool keys = false;   // instead: every key of a YAML file, as Markdown
  std::vector<std::string> overrides;
};

struct BenchCommand {
  std::string what = "infill";
  std::string model;
  std::string dtype = "fp32";
  std::string device = "cpu";
  int threads = 0;
  int64_t prompts = 1;
  int64_t batch = 16;
  int64_t prompt_tokens = 45;
  int64_t suffix_tokens = 12;
  int64_t max_len = 25;
  int64_t rank = 64;
  int64_t repeats = 3;
  bool share_prefixes = false;
  std::string sweep;        // of infill: the size to vary
  int64_t new_tokens = 64;  // of decode
  std::string cell;         // of core: only this one
  std::string page;         // HTML
  std::string json;
};

struct CompareCommand {
  std::vector<std::string> runs;
  std::string out = "compare.html";
};

struct SweepCommand {
  std::string config;                  // YAML of a sweep, or a recipe
  std::vector<std::string> grid;       // "a.b=1,2,3"
  std::vector<std::string> overrides;  // "a.b=c", of all runs
  int64_t seeds = 0;                   // 0: as the file says
  std::string out;                     // empty: runs/<name>
};

struct DataCommand {
  std::string kind;
  std::string out;
  std::vector<std::string> overrides;  // "key=value"
  int64_t seed = -1;                   // -1: that of the kind
  bool keys = false;                   // instead: every kind with its keys, as Markdown
};

struct ReportCommand {
  std::string run;
};

struct MergeCommand {
  std::string run;
  std::string out;
  std::string dtype = "fp32";
};

struct VersionCommand {};

using Command =
    std::variant<TrainCommand, SampleCommand, EvalCommand, EstimateCommand, DoctorCommand, DescribeCommand, BenchCommand,
                 DataCommand, SweepCommand, CompareCommand, ReportCommand, MergeCommand, VersionCommand>;

}  // namespace gfn

// The one entry of the engine library. `command` is a gfn::Command; returns the exit code: 0, 1 failure, 2 bad usage or config.
extern "C" int gfn_engine_run(const void* command);
inline constexpr char kEngineEntry[] = "gfn_engine_run";
