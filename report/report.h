// A report of a run as data, and its one rendering: a single self-contained HTML page (inline CSS and SVG, no script,
// nothing fetched) that follows the reader's light or dark mode and reads on a telephone.
//
// All text is data: it is escaped. `text between backticks` is set as code, in paragraphs, notes and captions.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gflownet/base/status.h"
#include "report/chart.h"
#include "report/table.h"

namespace gfn::report {

struct Paragraph {
  std::string text = {};
};

// Explains how to read what stands before it: what a perfect sampler would show.
struct Note {
  std::string text = {};
};

// Text with its line breaks: a configuration, a log. `folded` hides it behind its title.
struct Preformatted {
  std::string title = {};
  std::string text = {};
  bool folded = true;
};

struct Figure {
  std::string title = {};
  std::variant<LineChart, ScatterChart, Histogram, BarChart, HeatMap> chart = {};
  std::string how_to_read = {};  // below the picture
  bool half_width = false;       // neighbouring figures of half width stand side by side
};

struct Sample {
  std::string text = {};
  double log_q = 0;
  double log_reward = 0;
};

struct SampleColumn {
  std::string name = {};  // "untrained", "trained"
  Hue hue = Hue::kAuto;
  std::vector<Sample> samples = {};
};

// One condition: what is given, what was hidden, and samples of several samplers side by side. Beside each sample
// stands log R - log q as a dot on a scale common to the card: a perfect sampler's dots stand on one vertical line.
struct SampleCard {
  std::string title = {};
  std::string before = {};  // X
  std::string hidden = {};  // the true Z; may be empty
  std::string after = {};   // Y; may be empty
  std::vector<SampleColumn> columns = {};
};

using Block = std::variant<Paragraph, Note, Preformatted, Table, Figure, SampleCard>;

struct Section {
  std::string title = {};
  std::vector<Block> blocks = {};
};

// One number at the top of the page, e.g. {"ELBO gain on unseen stories", "+1.84 nats", "95 % interval 1.21 to 2.47"}.
struct Headline {
  std::string label = {};
  std::string value = {};
  std::string detail = {};
};

struct Report {
  std::string title = {};
  std::string subtitle = {};
  std::vector<Headline> headlines = {};
  std::vector<std::pair<std::string, std::string>> facts = {};  // of the run: model, data, device, duration
  std::vector<Section> sections = {};
  std::string footer = {};
};

std::string RenderHtml(const Report& report);

// Renders and replaces the file at `path` as a whole.
Status WriteReport(const Report& report, const std::string& path);

}  // namespace gfn::report
