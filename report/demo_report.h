// A report as a run of the infilling task makes it, with invented numbers: what the tests render and people look at.
#pragma once

#include "report/report.h"

namespace gfn::report {

Report DemoReport();

}  // namespace gfn::report
