#include "report/demo_report.h"

#include <cmath>
#include <string>
#include <vector>

#include "gflownet/base/rng.h"

namespace gfn::report {
namespace {

constexpr Hue kUntrained = Hue::kVermillion, kTrained = Hue::kBlue, kLeftContext = Hue::kGrey;

double Noise(uint64_t stream, uint64_t position) { return Normal(RngKey{.seed = 7}, stream, position); }

Table ResultTable() {
  return {.title = "Test stories, T = 1",
          .columns = {{"sampler"}, {"ELBO (nats)", 1}, {"gain", 2, 0.0, 0, true}, {"spread", 2}, {"ESS", 1}, {"BLEU-4", 3}},
          .rows = {{"trained", Interval{-52.1, -53.6, -50.6, 48}, Interval{1.84, 1.21, 2.47, 48}, Interval{1.7, 1.5, 2.0, 48},
                    12.4, Interval{0.031, 0.022, 0.041, 48}},
                   {"untrained prompt", Interval{-53.9, -55.6, -52.3, 48}, std::monostate{}, Interval{3.68, 3.3, 4.1, 48}, 3.9,
                    Interval{0.024, 0.018, 0.031, 48}},
                   {"X alone", Interval{-56.2, -58.1, -54.4, 48}, Interval{-2.31, -3.0, -1.6, 48}, Interval{3.9, 3.4, 4.4, 48},
                    2.8, Interval{0.019, 0.013, 0.026, 48}}},
          .note = "Means over 48 stories with 95 % intervals; `gain` is paired by story, against the untrained prompt."};
}

Figure LearningCurve() {
  LineChart chart = {.x = {"optimiser step"}, .y = {"ELBO (nats)"}};
  LineSeries train = {.name = "training stories", .hue = kTrained}, unseen = {.name = "unseen stories", .hue = Hue::kGreen};
  for (int step = 0; step <= 200; step += 20) {
    const auto add = [&](LineSeries* series, double gain, uint64_t stream) {
      const double y = -58.2 + gain * (1 - std::exp(-step / 60.0)) + 0.2 * Noise(stream, static_cast<uint64_t>(step));
      series->x.push_back(step);
      series->y.push_back(y);
      series->low.push_back(y - 0.7);
      series->high.push_back(y + 0.7);
    };
    add(&train, 6.1, 1);
    add(&unseen, 3.2, 2);
  }
  chart.series = {train, unseen};
  chart.y_marks = {{-50.3, "best bound found"}, {-58.2, "untrained prompt"}, {-58.5, "X alone"}};
  chart.x_marks = {{160, "best checkpoint"}};
  return {"Learning curve", chart, "The bands are 95 % intervals. A perfect sampler reaches the best importance bound."};
}

Figure LossCurve() {
  LineSeries loss = {.name = "loss (thin: every step, thick: mean)", .hue = kTrained, .smoothing = 0.9};
  for (int step = 1; step <= 200; ++step) {
    loss.x.push_back(step);
    loss.y.push_back(step == 77 ? std::nan("") : 40 * std::exp(-step / 50.0 + 0.4 * Noise(3, static_cast<uint64_t>(step))) + 1.5);
  }
  return {"Loss", LineChart{{"optimiser step"}, {"loss (nats\xC2\xB2)", true}, {loss}}, "", true};
}

Figure Speed() {
  LineSeries speed = {.hue = Hue::kGreen};
  for (int step = 1; step <= 200; ++step) {
    speed.x.push_back(step);
    speed.y.push_back(1850 + 60 * Noise(4, static_cast<uint64_t>(step)));
  }
  return {"Throughput", LineChart{{"optimiser step"}, {"tokens per second", false, 0}, {speed}}, "", true};
}

Figure Calibration() {
  ScatterChart chart = {.x = {"log q (nats)"},
                        .y = {"log R, centred by story (nats)"},
                        .unit_line_offset = 0,
                        .unit_line_label = "y = x (a perfect sampler)"};
  const auto make = [](const std::string& name, Hue hue, double slope, double noise, uint64_t stream) {
    ScatterSeries series = {.name = name, .hue = hue};
    for (uint64_t i = 0; i < 160; ++i) {
      const double log_q = -22 + 5 * Noise(stream, i);
      series.x.push_back(log_q);
      series.y.push_back(-22 + slope * (log_q + 22) + noise * Noise(stream + 10, i));
      series.labels.push_back("sample " + std::to_string(i) + " <of \"story\" & co>");
    }
    return series;
  };
  chart.series = {make("untrained", kUntrained, 0.45, 4, 5), make("trained", kTrained, 0.95, 1.4, 6)};
  return {"Calibration", chart,
          "Every dot is a sample. A perfect sampler puts all of them on the line: `log R` and `log q` differ by a "
          "constant.",
          true};
}

Figure Spread() {
  Histogram chart = {.x = {"log R \xE2\x88\x92 log q \xE2\x88\x92 story mean (nats)"}};
  HistogramSeries before = {"untrained", {}, kUntrained}, after = {"trained", {}, kTrained};
  for (uint64_t i = 0; i < 600; ++i) {
    before.values.push_back(3.7 * Noise(8, i));
    after.values.push_back(1.7 * Noise(9, i));
  }
  chart.series = {before, after};
  chart.x_marks = {{0, "perfect"}};
  return {"Spread", chart, "The narrower the better: a perfect sampler has all of its mass at zero.", true};
}

Figure ElboByTheme() {
  BarChart chart = {
      .style = BarChart::Style::kDot, .categories = {"school", "work and money", "family", "travel"}, .x = {"ELBO (nats)"}};
  chart.groups = {
      {"untrained", {{-57, -59, -55, 12}, {-52, -54.2, -50.1, 12}, {-55, -57, -53, 12}, {-58.4, -60.8, -55.9, 12}}, kUntrained},
      {"trained",
       {{-54, -55.5, -52.5, 12}, {-50.8, -52.4, -49.2, 12}, {-53, -54.7, -51.5, 12}, {-55, -57, -53.1, 12}},
       kTrained}};
  return {"ELBO by theme", chart, ""};
}

Figure PhaseTimes() {
  BarChart chart = {.categories = {"rollout", "reward", "score and backward", "optimiser"}, .x = {"seconds a step"}};
  chart.groups = {
      {"", {{0.42, 0.40, 0.45, 200}, {0.31, 0.30, 0.32, 200}, {0.93, 0.90, 0.97, 200}, {0.02, 0.019, 0.021, 200}}, kLeftContext}};
  return {"Time of a step", chart, ""};
}

SampleCard Card() {
  SampleCard card = {.title = "a007 \xC2\xB7 The Missing Essay",
                     .before =
                         "After writing for nine hours, Julian finally finished his history essay. He closed the "
                         "laptop <b>without</b> "
                         "saving. In the morning the file was gone.",
                     .hidden = "His roommate showed him where the automatic backups were kept.",
                     .after = "He handed it in with ten minutes to spare."};
  card.columns = {{"untrained",
                   kUntrained,
                   {{"He was so tired that he fell asleep", -19.4, -61.2},
                    {"He had to write it again", -12.0, -50.8},
                    {"\"I'm going to be late,\" he said", -22.7, -68.9}}},
                  {"trained",
                   kTrained,
                   {{"He had to write it again", -11.1, -50.8},
                    {"He called the school and asked for an extension", -14.9, -54.6},
                    {"He found an old copy in his mail", -13.8, -53.1}}}};
  return card;
}

}  // namespace

Report DemoReport() {
  Report report = {
      .title = "Infilling: SmolLM2-135M on everyday stories",
      .subtitle = "A sampler of the missing fourth sentence, before and after GFlowNet fine-tuning of a LoRA adapter."};
  report.headlines = {{"ELBO gain on unseen stories", "+1.84 nats", "95 % interval 1.21 to 2.47, paired by story"},
                      {"Spread of log R - log q", "3.68 \xE2\x86\x92 1.70", "0 for a perfect sampler"},
                      {"Effective samples of 32", "3.9 \xE2\x86\x92 12.4", "of importance sampling with q"},
                      {"Training", "4 min 41 s", "200 steps on 2 cores"}};
  report.facts = {{"model", "SmolLM2-135M-Instruct, Q4_1, fp32"},
                  {"adapter", "LoRA rank 16"},
                  {"data", "data/stories, 240 / 32 / 48"},
                  {"objective", "condition-centred SubTB"},
                  {"seed", "1"},
                  {"device", "cpu, 2 threads"}};
  report.sections = {
      {"Result",
       {ResultTable(), Note{"A perfect sampler has spread 0; its ELBO equals log Z, and no importance bound lies above it."},
        ElboByTheme()}},
      {"Learning", {LearningCurve(), LossCurve(), Speed()}},
      {"Is the sampler right?",
       {Paragraph{"The reward is a likelihood under the frozen model, so `log R - log q` is the same for all samples "
                  "of a story "
                  "if and only if the sampler draws from the posterior."},
        Calibration(), Spread()}},
      {"Samples", {Card()}},
      {"Cost", {PhaseTimes()}},
      {"Configuration",
       {Preformatted{"resolved.yaml", "task: infill\nmodel:\n  path: SmolLM2-135M-Instruct.Q4_1.gguf\n  dtype: fp32\n"}}}};
  report.footer = "Written by `gfn report`. All numbers are in `eval.json` beside this page.";
  return report;
}

}  // namespace gfn::report
