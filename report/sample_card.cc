#include <algorithm>
#include <string>

#include "report/parts.h"
#include "report/svg_plot.h"
#include "report/ticks.h"

namespace gfn::report {
namespace {

std::string Number(double value) { return WithMinusSigns(FormatFixed(value, 1)); }

// One scale of log R - log q for all columns.
GlyphScale GlyphScaleOf(const SampleCard& card) {
  GlyphScale scale = {.low = kLargestDrawable, .high = -kLargestDrawable};
  for (const SampleColumn& column : card.columns) {
    for (const Sample& sample : column.samples) {
      const double balance = sample.log_reward - sample.log_q;
      if (!IsDrawable(balance, false)) continue;
      scale.low = std::min(scale.low, balance);
      scale.high = std::max(scale.high, balance);
    }
  }
  return scale;
}

void AppendSample(const Sample& sample, const GlyphScale& scale, const std::string& hue, Markup* html) {
  const double balance = sample.log_reward - sample.log_q;
  html->Open("li").Element("p", {}, sample.text);
  html->Open("div", {{"class", "numbers"}});
  html->Element("span", {}, "log R " + Number(sample.log_reward)).Element("span", {}, "log q " + Number(sample.log_q));
  html->Open("span", {{"class", "balance"}, {"title", "log R - log q = " + Number(balance)}});
  html->Append(IntervalGlyph({balance, balance, balance, 1}, scale, hue)).Close();
  html->Close().Close();
}

void AppendGiven(const std::string& name, const std::string& text, const std::string& css_class, Markup* html) {
  if (text.empty()) return;
  html->Open("p", {{"class", css_class}}).Element("span", {{"class", "role"}}, name).Text(text).Close();
}

}  // namespace

Markup RenderSampleCard(const SampleCard& card) {
  const GlyphScale scale = GlyphScaleOf(card);
  Markup html;
  html.Open("article", {{"class", "card"}});
  if (!card.title.empty()) html.Element("p", {{"class", "title"}}, card.title);
  html.Open("div", {{"class", "given"}});
  AppendGiven("given", card.before, "", &html);
  AppendGiven("hidden", card.hidden, "hidden", &html);
  AppendGiven("then", card.after, "", &html);
  html.Close().Open("div", {{"class", "columns"}});
  for (size_t c = 0; c < card.columns.size(); ++c) {
    const SampleColumn& column = card.columns[c];
    const std::string hue = HueClass(column.hue, c);
    html.Open("div", {{"class", "column " + hue}}).Element("p", {{"class", "sampler"}}, column.name).Open("ol");
    for (const Sample& sample : column.samples) AppendSample(sample, scale, hue, &html);
    html.Close().Close();
  }
  html.Close();
  if (scale.low <= scale.high) {
    html.Element("p", {{"class", "remark"}},
                 "Dots: log R \xE2\x88\x92 log q, from " + Number(scale.low) + " to " + Number(scale.high) +
                     ". A perfect sampler's dots stand on one vertical line.");
  }
  html.Close();
  return html;
}

}  // namespace gfn::report
