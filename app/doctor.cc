#include "app/app.h"
namespace gfn {
Status Doctor(const DoctorCommand&) { return Unimplemented("doctor"); }
}
