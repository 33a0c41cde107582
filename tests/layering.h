// The rules that the source tree keeps, as functions on text, so that their own tests can plant violations.
// docs/design.md says why the folders are layered as they are.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gfn {

// A folder of the house, and the folders that its files may include besides itself. "tasks/*" stands for every folder
// in tasks.
struct Layer {
  std::string folder;
  std::vector<std::string> may_include;
  bool torch = true;  // whether its files may include headers of LibTorch
};

// From the bottom up. A new folder gets a row here, or its files are refused.
const std::vector<Layer>& Layers();

// The layer's name of a file ("llm/model/forest.h" -> "llm/model", "tasks/infill/x.h" -> "tasks/infill"); nullopt if
// the table has none. Paths are relative to the root.
std::optional<std::string> LayerOf(std::string_view path);

// One line per violation, "file:line: what and why".
//
// For C++ and CUDA files: the #include edges of the table; headers include nothing of LibTorch but ATen/core/Tensor.h,
// begin with #pragma once; nobody includes torch/torch.h, draws random numbers outside base/rng.h, or leaves marks of
// unfinished work; behind every parallel region of OpenMP the exceptions of its threads are thrown again; files have at
// most 400 lines.
std::vector<std::string> CheckSource(std::string_view path, std::string_view text);

// For every text file: no absolute path of somebody's machine.
std::vector<std::string> CheckText(std::string_view path, std::string_view text);

}  // namespace gfn
