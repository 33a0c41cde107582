#include <string>
#include <variant>

#include "gflownet/base/file_util.h"
#include "report/parts.h"
#include "report/report.h"
#include "report/svg_plot.h"

namespace gfn::report {
namespace {

// Nothing may be fetched or run, whatever the data says.
constexpr std::string_view kPolicy = "default-src 'none'; style-src 'unsafe-inline'";

struct BlockRenderer {
  Markup* html;

  void operator()(const Paragraph& paragraph) const { html->Open("p").RichText(paragraph.text).Close(); }
  void operator()(const Note& note) const {
    html->Open("div", {{"class", "note"}}).Element("span", {{"class", "role"}}, "How to read this").RichText(note.text).Close();
  }
  void operator()(const Preformatted& block) const {
    if (block.folded) {
      html->Open("details").Element("summary", {}, block.title).Element("pre", {}, block.text).Close();
    } else {
      if (!block.title.empty()) html->Element("p", {{"class", "title"}}, block.title);
      html->Element("pre", {}, block.text);
    }
  }
  void operator()(const Table& table) const { html->Append(RenderTable(table)); }
  void operator()(const Figure& figure) const { html->Append(RenderFigure(figure)); }
  void operator()(const SampleCard& card) const { html->Append(RenderSampleCard(card)); }
};

bool IsHalfFigure(const Block& block) {
  const auto* figure = std::get_if<Figure>(&block);
  return figure != nullptr && figure->half_width;
}

void AppendBlocks(const std::vector<Block>& blocks, Markup* html) {
  for (size_t i = 0; i < blocks.size();) {
    if (!IsHalfFigure(blocks[i])) {
      std::visit(BlockRenderer{html}, blocks[i++]);
      continue;
    }
    html->Open("div", {{"class", "sidebyside"}});
    while (i < blocks.size() && IsHalfFigure(blocks[i])) std::visit(BlockRenderer{html}, blocks[i++]);
    html->Close();
  }
}

void AppendHead(const Report& report, Markup* html) {
  html->Open("header").Element("h1", {}, report.title);
  if (!report.subtitle.empty()) html->Open("p", {{"class", "subtitle"}}).RichText(report.subtitle).Close();
  if (!report.headlines.empty()) {
    html->Open("div", {{"class", "headlines"}});
    for (const Headline& headline : report.headlines) {
      html->Open("div").Element("span", {{"class", "label"}}, headline.label);
      html->Element("span", {{"class", "value"}}, WithMinusSigns(headline.value));
      html->Element("span", {{"class", "detail"}}, WithMinusSigns(headline.detail)).Close();
    }
    html->Close();
  }
  if (!report.facts.empty()) {
    html->Open("dl", {{"class", "facts"}});
    for (const auto& [name, value] : report.facts) html->Open("div").Element("dt", {}, name).Element("dd", {}, value).Close();
    html->Close();
  }
  html->Close();
}

std::string SectionId(size_t index) { return "section-" + std::to_string(index + 1); }

void AppendContents(const Report& report, Markup* html) {
  constexpr size_t kFewest = 3;  // fewer sections need no table of contents
  if (report.sections.size() < kFewest) return;
  html->Open("nav");
  for (size_t s = 0; s < report.sections.size(); ++s)
    html->Element("a", {{"href", "#" + SectionId(s)}}, report.sections[s].title);
  html->Close();
}

}  // namespace

std::string RenderHtml(const Report& report) {
  Markup html;
  html.Trusted("<!DOCTYPE html>\n").Open("html", {{"lang", "en"}}).Open("head");
  html.Leaf("meta", {{"charset", "utf-8"}})
      .Leaf("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html.Leaf("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html.Leaf("meta", {{"http-equiv", "Content-Security-Policy"}, {"content", std::string(kPolicy)}});
  html.Element("title", {}, report.title).Open("style").Trusted(StyleSheet()).Close().Close();
  html.Open("body").Open("main");
  AppendHead(report, &html);
  AppendContents(report, &html);
  for (size_t s = 0; s < report.sections.size(); ++s) {
    html.Open("section", {{"id", SectionId(s)}}).Element("h2", {}, report.sections[s].title);
    AppendBlocks(report.sections[s].blocks, &html);
    html.Close();
  }
  if (!report.footer.empty()) html.Open("footer").RichText(report.footer).Close();
  html.Close().Close().Close();
  return html.Finished();
}

Status WriteReport(const Report& report, const std::string& path) { return WriteFileAtomic(path, RenderHtml(report)); }

}  // namespace gfn::report
