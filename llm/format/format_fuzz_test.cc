// Damaged files answer with a Status or are read; they never crash. Mutations are addressed draws: the same in every run.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "gflownet/base/file_util.h"
#include "gflownet/base/rng.h"
#include "llm/format/peft_file.h"
#include "llm/format/test_folder.h"
#include "llm/format/weight_source.h"

namespace gfn {
namespace {

const std::string kGolden = GFN_SOURCE_DIR "/tests/golden/";

// One to four changes: a byte set, a bit flipped, a run of bytes removed, doubled or cut off at the end. Half of the changes fall
// into the first 2,048 bytes, where headers are.
std::string Mutate(std::string bytes, const RngKey& key, uint64_t trial) {
  const uint64_t num_changes = 1 + RandomBits(key, trial, 0) % 4;
  for (uint64_t change = 0; change < num_changes && !bytes.empty(); ++change) {
    const uint64_t where = RandomBits(key, trial, 3 * change + 1), what = RandomBits(key, trial, 3 * change + 2);
    const size_t range = (where >> 63) != 0 ? std::min<size_t>(bytes.size(), 2048) : bytes.size();
    const size_t at = where % range;
    const size_t length = 1 + RandomBits(key, trial, 3 * change + 3) % 16;
    switch (what % 8) {
      case 0: bytes.erase(at, length); break;
      case 1: bytes.insert(at, bytes.substr(at, length)); break;
      case 2: bytes.resize(at); break;
      case 3: bytes[at] = static_cast<char>(bytes[at] ^ (1 << (what >> 32 & 7))); break;
      default: bytes[at] = static_cast<char>(what >> 56);
    }
  }
  return bytes;
}

struct Outcome {
  int num_ok = 0, num_refused = 0;
};

// Mutates `file` (a path inside `folder`) and lets `load` open `path`.
Outcome Fuzz(const std::string& file, uint64_t seed, int num_trials, const std::function<Status()>& load) {
  const auto original = ReadFile(file);
  EXPECT_TRUE(original.ok()) << Message(original.status());
  EXPECT_TRUE(load().ok()) << Message(load());
  Outcome outcome;
  for (int trial = 0; trial < num_trials; ++trial) {
    std::filesystem::remove(file);  // a new file: some file systems flush one that is written over, which takes milliseconds
    std::ofstream(file, std::ios::binary) << Mutate(*original, {.seed = seed}, static_cast<uint64_t>(trial));
    const Status status = load();
    ++(status.ok() ? outcome.num_ok : outcome.num_refused);
    EXPECT_TRUE(status.ok() || !Message(status).empty());
  }
  return outcome;
}

// Opens the model and reads every tensor.
Status LoadModel(const std::string& path) {
  ASSIGN_OR_RETURN(const auto source, OpenModel(path));
  for (const std::string& name : source->names()) RETURN_IF_ERROR(source->Read(name, at::kFloat).status());
  return source->weight_hash().status();
}

// A writable copy of a golden file or folder.
std::string Copy(const std::string& name) {
  const std::string copy = TestFolder("copy") + "/" + BaseName(name);
  std::filesystem::copy(kGolden + name, copy, std::filesystem::copy_options::recursive);
  return copy;
}

TEST(FormatFuzz, Gguf) {
  const std::string path = Copy("format/tiny_qwen2.gguf");
  const Outcome outcome = Fuzz(path, 1, 2000, [&] { return LoadModel(path); });
  EXPECT_GT(outcome.num_refused, 500);
  EXPECT_GT(outcome.num_ok, 100);  // changed weights are still weights
}

TEST(FormatFuzz, Safetensors) {
  const std::string folder = Copy("models/tiny_gpt2");
  const Outcome outcome = Fuzz(folder + "/model.safetensors", 2, 2000, [&] { return LoadModel(folder); });
  EXPECT_GT(outcome.num_refused, 500);
}

TEST(FormatFuzz, HuggingFaceConfig) {
  const std::string folder = Copy("models/tiny_llama");
  const Outcome outcome = Fuzz(folder + "/config.json", 3, 2000, [&] { return LoadModel(folder); });
  EXPECT_GT(outcome.num_refused, 500);
}

TEST(FormatFuzz, ShardIndex) {
  const std::string folder = Copy("models/tiny_llama_sharded");
  const Outcome outcome = Fuzz(folder + "/model.safetensors.index.json", 4, 2000, [&] { return LoadModel(folder); });
  EXPECT_GT(outcome.num_refused, 500);
}

TEST(FormatFuzz, Llama2c) {
  // Made here: width 8, MLP 8, 2 layers, 2 heads, 1 key/value head, vocabulary 16, 4 positions.
  const std::string path = TestFolder("copy") + "/m.bin";
  const int32_t header[] = {8, 8, 2, 2, 1, 16, 4};
  const int num_floats = 16 * 8 + 2 * (2 * 8 + 64 + 32 + 32 + 64 + 3 * 64) + 8 + 4 * 4;
  std::string bytes(reinterpret_cast<const char*>(header), sizeof(header));
  bytes.resize(bytes.size() + 4 * num_floats);
  ASSERT_TRUE(WriteFileAtomic(path, bytes).ok());
  const Outcome outcome = Fuzz(path, 5, 2000, [&] { return LoadModel(path); });
  EXPECT_GT(outcome.num_refused, 500);
}

TEST(FormatFuzz, Peft) {
  const std::string folder = Copy("peft/tiny_llama");
  const auto load = [&] { return ReadPeft(folder).status(); };
  EXPECT_GT(Fuzz(folder + "/adapter_config.json", 6, 1000, load).num_refused, 200);
  std::filesystem::copy_file(kGolden + "peft/tiny_llama/adapter_config.json", folder + "/adapter_config.json",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_GT(Fuzz(folder + "/adapter_model.safetensors", 7, 1000, load).num_refused, 200);
}

}  // namespace
}  // namespace gfn
