#include "tests/reliability/tiny_run.h"

#include "gflownet/base/file_util.h"
#include "gflownet/base/rng.h"
#include "gflownet/train/checkpoint.h"

namespace gfn {
namespace {

constexpr char kStories[] = R"({"id": "dog", "x": "Lily saw a big dog.", "z": "The dog was happy.", "y": "They played all day."}
{"id": "ball", "x": "Tom had a red ball.", "z": "He lost it.", "y": "Tom was sad."}
{"id": "cake", "x": "Mom made a cake.", "z": "It was good.", "y": "She was happy."}
)";

constexpr char kRecipe[] = R"(name: tiny
seed: 3
threads: 1
model:
  path: model.bin
  tokenizer: tokenizer.gguf
task:
  kind: infill
  prompt: "{Y} {X}"
  data: {train: stories.jsonl, validation: stories.jsonl, test: stories.jsonl}
  support: {min_len: 1, max_len: 5, stop: [".", "!", "?", ","]}
  simulation: {attempts: 1920}
lora: {rank: 2}
objective: {kind: modified_subtb}
warm_start: {kind: maximum_likelihood}
train:
  max_steps: 6
  warm_start_steps: 1
  warm_start_conditions: 2
  conditions_per_step: 2
  rollouts: 4
  behaviour: {on_policy: 0.5, tempered: 0.25, replay: 0.25, per_rollout: true}
optimizer: {learning_rate: 0.01}
validation: {every_steps: 3}
evaluation: {samples: 4}
checkpoint: {every_steps: 3, every_minutes: 0, keep: 3}
)";

}  // namespace

std::string TinyModel(uint64_t seed) {
  // dim, hidden, layers, heads, key/value heads, vocabulary, positions
  constexpr int32_t kHeader[] = {16, 32, 2, 2, 1, 512, 64};
  constexpr int64_t kWidth = 16, kHidden = 32, kLayers = 2, kKeys = 8, kVocab = 512, kPositions = 64, kHeadWidth = 8;
  std::vector<float> values;
  const auto random = [&](int64_t count, double scale) {
    for (int64_t i = 0; i < count; ++i) {
      values.push_back(static_cast<float>(scale * (2 * Uniform({seed, RngPurpose::kTest, 0}, 0, values.size()) - 1)));
    }
  };
  const auto ones = [&](int64_t count) { values.insert(values.end(), count, 1.0f); };
  random(kVocab * kWidth, 0.5);
  ones(kLayers * kWidth);
  random(kLayers * (kWidth * kWidth + 2 * kWidth * kKeys + kWidth * kWidth), 0.4);
  ones(kLayers * kWidth);
  random(kLayers * 3 * kWidth * kHidden, 0.4);
  ones(kWidth);
  random(kPositions * kHeadWidth, 1);  // tables of angles, which readers skip
  std::string bytes(reinterpret_cast<const char*>(kHeader), sizeof kHeader);
  return bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

TinyRun::TinyRun() {
  Write("model.bin", TinyModel(1));
  Write("tokenizer.gguf", ReadFile(GFN_SOURCE_DIR "/tests/golden/tokenizer/stories260k.gguf").value());
  Write("stories.jsonl", kStories);
  Write("tiny.yaml", kRecipe);
}

std::vector<std::string> TinyRun::Train(const std::string& run, const std::vector<std::string>& keys, bool resume) {
  std::vector<std::string> arguments = {"train", "tiny.yaml", "--out", run};
  for (const std::string& key : keys) arguments.insert(arguments.end(), {"--set", key});
  if (resume) arguments.push_back("--resume");
  return arguments;
}

void TinyRun::Write(const std::string& name, const std::string& content) const {
  const Status status = WriteFileAtomic(folder_ / name, content);
  ASSERT_TRUE(status.ok()) << status;
}

std::string TinyRun::Read(const std::string& name) const { return ReadFile(folder_ / name).value_or("(no " + name + ")"); }

std::string RunState(const std::string& run, int64_t step) {
  std::string state = ReadFile(run + "/metrics.jsonl").value_or("(no metrics)");
  const std::string checkpoint = run + "/checkpoints/" + CheckpointName(step);
  for (const char* name : {"parameters.safetensors", "optimizer.safetensors", "replay.safetensors", "trainer.json"}) {
    state += std::string("== ") + name + "\n" + ReadFile(checkpoint + "/" + name).value_or("(none)");
  }
  return state;
}

}  // namespace gfn
