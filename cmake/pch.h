// The one precompiled header of every source file that uses LibTorch (torch/torch.h alone costs 12 s a file). What few files
// need, custom autograd functions above all, they include themselves: here it would cost every compilation two seconds of
// templates.
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
