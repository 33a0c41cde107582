// Decoding without an adapter: tokens a second of one row and of sixteen, beside what reading the weights alone would take.
#include <ATen/ops/argmax.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/bench.h"
#include "gflownet/base/clock.h"
#include "gflownet/base/interval.h"
#include "gflownet/base/json_util.h"
#include "gflownet/tensor/device.h"
#include "llm/generate/decode_session.h"

namespace gfn {
namespace {

// GB/s of reading an array that no cache holds, all threads; the best of a few passes.
double MeasureReadBandwidth() {
  const at::Tensor x = at::ones({int64_t{64} << 20}, at::kFloat);
  double best = 0;
  for (int i = 0; i < 6; ++i) {
    const double start = SteadySeconds();
    x.sum().item();
    best = std::max(best, 1e-9 * static_cast<double>(x.nbytes()) / (SteadySeconds() - start));
  }
  return best;
}

// Greedy decoding behind one prompt, the prompt's own pass not counted: seconds of new_tokens steps.
double MeasureDecoding(const LanguageModel& model, const std::vector<int32_t>& prompt, int64_t batch, int64_t new_tokens) {
  DecodeSession session(model, nullptr, {prompt}, std::vector<int32_t>(static_cast<size_t>(batch), 0),
                        static_cast<int32_t>(new_tokens));
  at::Tensor next = at::argmax(session.Logits(), 1).to(at::kCPU);
  const double start = SteadySeconds();
  for (int64_t t = 0; t < new_tokens; ++t) {
    const int64_t* ids = next.const_data_ptr<int64_t>();
    session.Advance(std::vector<int32_t>(ids, ids + batch));
    next = at::argmax(session.Logits(), 1).to(at::kCPU);
  }
  return SteadySeconds() - start;
}

// Bytes of weights that a step reads: every product of every layer, and the head.
double StepBytes(const LanguageModel& model) {
  int64_t bytes = model.head().bytes();
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    for (int s = 0; s < kNumSlots; ++s) bytes += model.Matrix(l, static_cast<Slot>(s)).bytes();
  }
  return static_cast<double>(bytes);
}

}  // namespace

Status BenchDecode(const BenchCommand& command) {
  SetNumThreads(command.threads);
  ASSIGN_OR_RETURN(const at::Device device, OpenDevice(command.device));
  const std::string path = BenchModel(command);
  ASSIGN_OR_RETURN(const auto source, OpenModel(path));
  ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizer(path));
  const std::vector<int32_t> prompt = FirstTokens(*tokenizer, kBenchBeginning, command.prompt_tokens);
  ASSIGN_OR_RETURN(const ModelDtype dtype, ParseEnum<ModelDtype>(command.dtype));
  ASSIGN_OR_RETURN(const auto model, LanguageModel::Load(*source, {dtype, device}));
  const double bytes = StepBytes(*model);
  const double bandwidth = MeasureReadBandwidth();

  report::Table table;
  table.title = "decoding " + std::to_string(command.new_tokens) + " tokens behind " + std::to_string(command.prompt_tokens) +
                ", no adapter, weights stored as " + source->stored_type() + ", " + command.dtype + " arithmetic, " +
                DescribeDevice(device);
  table.columns = {{.name = "batch", .decimals = 0},
                   {.name = "tokens/s", .decimals = 1},
                   {.name = "ms a step"},
                   {.name = "min"},
                   {.name = "max"},
                   {.name = "GB/s of weights", .decimals = 1},
                   {.name = "% of reads", .decimals = 0}};
  table.note =
      "reads of a large array: " + report::FormatFixed(bandwidth, 1) + " GB/s; medians of " + std::to_string(command.repeats);
  nlohmann::json json = {{"read_gb_per_s", bandwidth}, {"threads", NumThreads()}, {"stored", source->stored_type()},
                         {"dtype", command.dtype},     {"weight_bytes", bytes},   {"rows", nlohmann::json::array()}};
  for (const int64_t batch : {1, 16}) {
    MeasureDecoding(*model, prompt, batch, std::min<int64_t>(command.new_tokens, 4));  // the first pays for allocations
    std::vector<double> seconds;
    for (int64_t r = 0; r < command.repeats; ++r) seconds.push_back(MeasureDecoding(*model, prompt, batch, command.new_tokens));
    const double steps = static_cast<double>(command.new_tokens), median = Quantile(seconds, 0.5);
    const double rate = static_cast<double>(batch) * steps / median, reads = 1e-9 * bytes * steps / median;
    table.rows.push_back({static_cast<double>(batch), rate, 1e3 * median / steps,
                          1e3 * *std::min_element(seconds.begin(), seconds.end()) / steps,
                          1e3 * *std::max_element(seconds.begin(), seconds.end()) / steps, reads, 100 * reads / bandwidth});
    json["rows"].push_back(
        {{"batch", batch}, {"tokens_per_s", rate}, {"ms_per_step", 1e3 * median / steps}, {"weights_gb_per_s", reads}});
  }
  std::cout << report::FormatTable(table);
  return command.json.empty() ? OkStatus() : WriteJsonFile(command.json, json);
}

}  // namespace gfn
