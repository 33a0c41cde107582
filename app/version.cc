#include <iostream>

#include "app/app.h"
#include "app/build_info.h"
#include "gflownet/tensor/device.h"

namespace gfn {

Status Version() {
  std::cout << "gfn " << kVersion << " (" << kCommit << ")\nLibTorch " << LibTorchVersion() << "\n"
            << DescribeDevice(at::kCPU) << std::endl;
  return OkStatus();
}

}  // namespace gfn
