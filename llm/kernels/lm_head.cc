#include "llm/kernels/lm_head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gflownet/base/check.h"
#include "llm/kernels/dispatch.h"
#include "llm/kernels/kernel_table.h"
#include "llm/kernels/parallel.h"

namespace gfn {
namespace {

// Rows and vocabulary of a block of logits: 192 x 384 float32 are 288 KiB. The chunk is part of the result's definition.
constexpr int64_t kHeadBlockRows = 192;
constexpr int64_t kChunk = 8 * PackedMatrix::kPanelRows;

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

void CheckQuery(const LmHeadQuery& query, int64_t n, int64_t vocabulary) {
  for (int64_t s = 0; s < query.num_stops; ++s) {
    GFN_CHECK(query.stop_ids[s] >= 0 && query.stop_ids[s] < vocabulary)
        << "stop id " << query.stop_ids[s] << " of a vocabulary of " << vocabulary;
  }
  for (int64_t i = 0; i < n && query.target != nullptr; ++i) {
    GFN_CHECK(query.target[i] >= -1 && query.target[i] < vocabulary)
        << "target id " << query.target[i] << " of a vocabulary of " << vocabulary;
  }
}

// 0 for the legal, -infinity for the others; empty if all are legal.
std::vector<float> LegalBias(const LmHeadQuery& query, int64_t vocabulary) {
  if (query.legal == nullptr) return {};
  std::vector<float> bias(static_cast<size_t>(vocabulary));
  for (size_t v = 0; v < bias.size(); ++v) bias[v] = query.legal[v] != 0 ? 0.0f : kMinusInfinity;
  return bias;
}

// Blocks of rows: at most kHeadBlockRows each, and a whole number for each thread.
Split RowBlocks(int64_t n, int threads) { return {n, 1, std::min(n, CeilDiv(CeilDiv(n, kHeadBlockRows), threads) * threads)}; }

// Calls target(column) and stop(column, index in [N, S]) for what a row picks out of the chunk [begin, end).
template <class Target, class Stop>
void ForEachPicked(const LmHeadQuery& query, int64_t row, int64_t begin, int64_t end, const Target& target, const Stop& stop) {
  if (query.target != nullptr && query.target[row] >= begin && query.target[row] < end) target(query.target[row] - begin);
  for (int64_t s = 0; s < query.num_stops; ++s) {
    if (query.stop_ids[s] >= begin && query.stop_ids[s] < end) stop(query.stop_ids[s] - begin, row * query.num_stops + s);
  }
}

// log of the sum over chunks, in order. parts [chunks][n].
float Combine(const std::vector<ExponentialSum>& parts, int64_t n, int64_t row) {
  ExponentialSum total = {kMinusInfinity, 0};
  for (size_t at = static_cast<size_t>(row); at < parts.size(); at += static_cast<size_t>(n)) {
    const ExponentialSum& part = parts[at];
    if (part.sum == 0) continue;
    const float largest = std::max(total.largest, part.largest);
    total.sum = total.sum * std::exp(total.largest - largest) + part.sum * std::exp(part.largest - largest);
    total.largest = largest;
  }
  return total.largest + std::log(total.sum);
}

}  // namespace

void LmHeadForward(const PackedMatrix& head, const float* hidden, int64_t n, int64_t ld_hidden, const LmHeadQuery& query,
                   const LmHeadOutputs& outputs, int num_threads) {
  const int64_t vocabulary = head.out(), chunks = CeilDiv(vocabulary, kChunk);
  CheckQuery(query, n, vocabulary);
  if (n == 0) return;
  const std::vector<float> bias = LegalBias(query, vocabulary);
  if (outputs.logit_target != nullptr) std::fill_n(outputs.logit_target, n, 0.0f);
  std::vector<ExponentialSum> parts(outputs.log_sum_exp == nullptr ? 0 : static_cast<size_t>(n * chunks));
  const int threads = UsefulThreads(num_threads, n * vocabulary * head.in());
  // A task is a block of rows and a range of chunks; few rows leave the vocabulary to be cut.
  const Split rows = RowBlocks(n, n < kHeadBlockRows ? 1 : threads);
  const Split ranges{chunks, 1, std::min(chunks, CeilDiv(4 * threads, rows.parts))};
  const KernelTable& kernels = Kernels();

  ParallelErrors errors;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (int64_t task = 0; task < rows.parts * ranges.parts; ++task) {
    errors.Run([&] {
      const int64_t row = rows.Begin(task / ranges.parts), count = rows.Begin(task / ranges.parts + 1) - row;
      const int64_t range = task % ranges.parts;
      float* logits = ThreadScratch(ScratchSlot::kLmHead, count * kChunk);
      for (int64_t chunk = ranges.Begin(range); chunk < ranges.Begin(range + 1); ++chunk) {
        const int64_t begin = chunk * kChunk, end = std::min(vocabulary, begin + kChunk), width = end - begin;
        head.ApplyRows(begin, end, hidden + row * ld_hidden, count, ld_hidden, logits, width, false, 1);
        for (int64_t i = 0; i < count; ++i) {
          const float* line = logits + i * width;
          if (!parts.empty()) {
            parts[static_cast<size_t>(chunk * n + row + i)] =
                kernels.sum_exponentials(line, bias.empty() ? nullptr : bias.data() + begin, width);
          }
          ForEachPicked(
              query, row + i, begin, end,
              [&](int64_t column) {
                if (outputs.logit_target != nullptr) outputs.logit_target[row + i] = line[column];
              },
              [&](int64_t column, int64_t index) {
                if (outputs.logit_stop != nullptr) outputs.logit_stop[index] = line[column];
              });
        }
      }
    });
  }
  errors.Rethrow();
  for (int64_t i = 0; i < n && outputs.log_sum_exp != nullptr; ++i) outputs.log_sum_exp[i] = Combine(parts, n, i);
}

void LmHeadBackward(const PackedMatrix& head, const float* hidden, int64_t n, int64_t ld_hidden, const LmHeadQuery& query,
                    const float* log_sum_exp, const LmHeadGradients& gradients, float* d_hidden, int64_t ld_d_hidden,
                    int num_threads) {
  const int64_t vocabulary = head.out();
  CheckQuery(query, n, vocabulary);
  GFN_CHECK(gradients.log_sum_exp == nullptr || log_sum_exp != nullptr) << "the gradient of log_sum_exp needs its value";
  if (n == 0) return;
  const std::vector<float> bias = LegalBias(query, vocabulary);
  const int threads = UsefulThreads(num_threads, n * vocabulary * head.in());
  const Split rows = RowBlocks(n, threads);
  const KernelTable& kernels = Kernels();

  ParallelErrors errors;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (int64_t task = 0; task < rows.parts; ++task) {
    errors.Run([&] {
      const int64_t row = rows.Begin(task), count = rows.Begin(task + 1) - row;
      float* slopes = ThreadScratch(ScratchSlot::kLmHead, count * kChunk);
      for (int64_t begin = 0; begin < vocabulary; begin += kChunk) {
        const int64_t end = std::min(vocabulary, begin + kChunk), width = end - begin;
        if (gradients.log_sum_exp != nullptr) {
          head.ApplyRows(begin, end, hidden + row * ld_hidden, count, ld_hidden, slopes, width, false, 1);
        } else {
          std::fill_n(slopes, count * width, 0.0f);
        }
        for (int64_t i = row; i < row + count; ++i) {
          float* line = slopes + (i - row) * width;
          if (gradients.log_sum_exp != nullptr) {
            kernels.softmax_times(bias.empty() ? nullptr : bias.data() + begin, width, log_sum_exp[i], gradients.log_sum_exp[i],
                                  line);
          }
          ForEachPicked(
              query, i, begin, end,
              [&](int64_t column) { line[column] += gradients.logit_target == nullptr ? 0.0f : gradients.logit_target[i]; },
              [&](int64_t column, int64_t index) {
                line[column] += gradients.logit_stop == nullptr ? 0.0f : gradients.logit_stop[index];
              });
        }
        head.ApplyTransposedRows(begin, end, slopes, count, width, d_hidden + row * ld_d_hidden, ld_d_hidden, true, 1);
      }
    });
  }
  errors.Rethrow();
}

}  // namespace gfn
