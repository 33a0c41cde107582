#include "app/app.h"
namespace gfn {
Status Describe(const DescribeCommand&) { return Unimplemented("describe"); }
}
