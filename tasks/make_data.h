// Data that `gfn data KIND` makes: questions, corpora, token files. A kind is a struct with its keys and a function
// WriteData(config, folder) beside it.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "gflownet/base/status.h"
#include "tasks/arithmetic/problems.h"

namespace gfn {

struct DataConfig {
  std::variant<ArithmeticData> data;

  template <class V>
  void Visit(V& v) {
    v("data", data, "what is made");
  }
};

// Makes the data of a kind with some keys set ("key=value") and writes them into `folder`, which is made. What is there already
// is not overwritten.
Status MakeData(const std::string& kind, const std::vector<std::string>& overrides, const std::string& folder);

// Every kind with its keys, for people.
std::string DataReference();

}  // namespace gfn
