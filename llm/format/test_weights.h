// For tests: weights that have to be there.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "llm/format/weight_source.h"

namespace gfn {

inline std::unique_ptr<WeightSource> Open(const std::string& path) {
  auto source = OpenModel(path);
  EXPECT_TRUE(source.ok()) << Message(source.status());
  return source.ok() ? *std::move(source) : nullptr;
}

inline at::Tensor Read(const WeightSource& source, const std::string& name) {
  auto tensor = source.Read(name, at::kFloat);
  EXPECT_TRUE(tensor.ok()) << Message(tensor.status());
  return tensor.ok() ? *tensor : at::Tensor();
}

}  // namespace gfn
