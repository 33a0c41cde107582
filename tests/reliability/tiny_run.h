// A whole run that takes milliseconds a step: a model of a few thousand random weights with a real tokenizer, a few stories, and
// a recipe that takes every turn (warm start by simulated stories, tempered and replayed rollouts, validation). All paths in it
// are relative to the folder.
#pragma once

#include <string>
#include <vector>

#include "gflownet/base/test_folder.h"

namespace gfn {

class TinyRun {
 public:
  TinyRun();

  const std::string& folder() const { return folder_.path(); }
  std::string operator/(std::string_view name) const { return folder_ / name; }
  std::string checkpoints(const std::string& run) const { return folder_ / (run + "/checkpoints"); }

  // Arguments of `gfn train` in a run folder, with the keys to set.
  static std::vector<std::string> Train(const std::string& run, const std::vector<std::string>& keys = {}, bool resume = false);

  // Writes a file in the folder.
  void Write(const std::string& name, const std::string& content) const;
  std::string Read(const std::string& name) const;

 private:
  TestFolder folder_;
};

// A llama2.c model of random weights, addressed by the seed.
std::string TinyModel(uint64_t seed);

// What has to be the same in two runs of the same configuration, as one text: metrics.jsonl and, of the checkpoint of `step`,
// weights, optimiser, replay buffer and the trainer's state.
std::string RunState(const std::string& run, int64_t step);

}  // namespace gfn
