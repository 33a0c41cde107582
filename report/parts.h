// The parts of the page, each a finished piece of HTML.
#pragma once

#include <string_view>

#include "report/html.h"
#include "report/report.h"

namespace gfn::report {

Markup RenderTable(const Table& table);
Markup RenderFigure(const Figure& figure);
Markup RenderSampleCard(const SampleCard& card);

// Everything between <style> and </style>.
std::string_view StyleSheet();

}  // namespace gfn::report
