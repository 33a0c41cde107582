// Short runs of the binary against what an earlier version of it left (tests/golden/runs): a change that was meant to alter no
// number alters none. On the processor that recorded them metrics and parameters are the same bits; on another one the metrics
// agree within the table of tolerances, since other instruction sets add up in another order.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/base/safetensors_file.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/tolerances.h"
#include "gflownet/train/checkpoint.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using Json = nlohmann::json;

constexpr int64_t kSteps = 5;

struct GoldenRun {
  std::string name;
  std::string recipe;  // in configs/; empty: the tiny language model of tiny_run.h
  std::vector<std::string> keys;
  at::ScalarType arithmetic;  // decides on the tolerance
  // Lines of metrics that another processor is held to. bfloat16 moves log-probabilities by percents when sums are made in
  // another order, so that a draw soon falls otherwise, and what follows it is another run.
  int64_t lines_elsewhere = kSteps + 2;
};

void PrintTo(const GoldenRun& run, std::ostream* out) { *out << run.name; }

std::vector<GoldenRun> Runs() {
  const std::vector<std::string> few = {"evaluation.samples=64"};
  return {{"hypergrid", "hypergrid/tb.yaml", few, at::kFloat},
          {"ising_energy", "ising/energy.yaml", few, at::kFloat},
          {"box", "box/tb.yaml", few, at::kFloat},
          {"infill_fp32", "", {"model.dtype=fp32"}, at::kFloat},
          {"infill_bf16", "", {"model.dtype=bf16"}, at::kBFloat16, 2},
          {"infill_fp64", "", {"model.dtype=fp64"}, at::kDouble}};
}

// Five steps are a sum of five parts whose errors feed the next.
Tolerance ToleranceOfRun(const GoldenRun& run) {
  switch (run.arithmetic) {
    case at::kDouble:
      return kTinyModelTolerance.ForSumOf(kSteps);
    case at::kFloat:
      return kGradNormTolerance.ForSumOf(kSteps);
    default:
      return ToleranceOf(run.arithmetic).ForSumOf(kSteps);
  }
}

// {"file": {"tensor": digest of its bytes}} of what the checkpoint holds of parameters.
Json ParameterDigests(const std::string& checkpoint) {
  Json digests;
  const auto manifest = ReadManifest(checkpoint);
  EXPECT_TRUE(manifest.ok()) << manifest.status();
  if (!manifest.ok()) return digests;
  for (const CheckpointFile& part : manifest->files) {
    if (!part.name.ends_with("parameters.safetensors")) continue;
    const auto file = SafetensorsFile::Open(checkpoint + "/" + part.name);
    EXPECT_TRUE(file.ok()) << file.status();
    if (!file.ok()) continue;
    for (const TensorView& tensor : file->tensors()) digests[part.name][tensor.name] = DigestToHex(HashBytes(tensor.bytes));
  }
  return digests;
}

Json MetricsOf(const std::string& run) {
  Json lines = Json::array();
  auto reader = JsonlReader::Open(run + "/metrics.jsonl");
  EXPECT_TRUE(reader.ok()) << reader.status();
  for (Json line; reader.ok() && reader->Next(&line).value_or(false);) lines.push_back(line);
  return lines;
}

// Makes the run and returns what is recorded of it.
Json MakeRun(const GoldenRun& golden) {
  const TinyRun tiny;
  const bool is_world = !golden.recipe.empty();
  std::vector<std::string> arguments = {"train", is_world ? GFN_SOURCE_DIR "/configs/" + golden.recipe : "tiny.yaml", "--out",
                                        "run"};
  std::vector<std::string> keys = golden.keys;
  keys.insert(keys.end(),
              {"threads=1", "train.max_steps=" + std::to_string(kSteps), "validation.every_steps=" + std::to_string(kSteps),
               "checkpoint.every_steps=" + std::to_string(kSteps)});
  for (const std::string& key : keys) arguments.insert(arguments.end(), {"--set", key});
  const GfnResult result = RunGfn(tiny.folder(), arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return {{"cpu", CpuModel()},
          {"metrics", MetricsOf(tiny / "run")},
          {"parameters", ParameterDigests(tiny.checkpoints("run") + "/" + CheckpointName(kSteps))}};
}

void ExpectClose(const Json& found, const Json& expected, Tolerance tolerance, const std::string& where) {
  ASSERT_EQ(found.type() == Json::value_t::string, expected.type() == Json::value_t::string) << where;
  if (!expected.is_number()) {
    EXPECT_EQ(found, expected) << where;
    return;
  }
  const Closeness closeness = AllClose(found.get<double>(), expected.get<double>(), tolerance);
  EXPECT_TRUE(closeness) << where << ": " << closeness.worst;
}

class GoldenRuns : public testing::TestWithParam<GoldenRun> {};

TEST_P(GoldenRuns, GiveTheRecordedNumbers) {
  const GoldenRun& golden = GetParam();
  const std::string path = GFN_SOURCE_DIR "/tests/golden/runs/" + golden.name + ".json";
  const Json found = MakeRun(golden);
  ASSERT_EQ(found["metrics"].size(), kSteps + 2) << "an evaluation, the steps, an evaluation";
  if (std::getenv("GFN_RECORD_GOLDEN_RUNS") != nullptr) {
    const Status written = WriteJsonFile(path, found);
    ASSERT_TRUE(written.ok()) << written;
    GTEST_SKIP() << "recorded " << path;
  }
  const auto expected = ReadJsonFile(path);
  ASSERT_TRUE(expected.ok()) << expected.status();
  if (found["cpu"] == (*expected)["cpu"]) {
    EXPECT_EQ(found, *expected) << "If the change was meant to alter numbers, tests/golden/runs/record writes them anew.";
    return;
  }
  const Json& lines = (*expected)["metrics"];
  for (int64_t i = 0; i < golden.lines_elsewhere; ++i) {
    ASSERT_EQ(found["metrics"][i].size(), lines[i].size()) << found["metrics"][i] << " against " << lines[i];
    for (const auto& [name, value] : lines[i].items()) {
      ExpectClose(found["metrics"][i].value(name, Json()), value, ToleranceOfRun(golden),
                  "line " + std::to_string(i + 1) + ", " + name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, GoldenRuns, testing::ValuesIn(Runs()), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace gfn
