#include "app/app.h"
namespace gfn {
Status MakeReport(const ReportCommand&) { return Unimplemented("report"); }
}
