// Images in the idx format of MNIST (yann.lecun.com/exdb/mnist), plain or compressed by gzip.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "gflownet/base/status.h"

namespace gfn {

// uint8 [N, S, S]: 1 where a pixel is at least 128. The first `most` images; 0: all. InvalidArgument or DataLoss with the file's
// name if it is not of square images of one byte a pixel, or ends early. Nothing is allocated on the header's word alone.
StatusOr<at::Tensor> ReadIdxImages(const std::string& path, int64_t most);

}  // namespace gfn
