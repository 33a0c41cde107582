// For tests: a fresh folder that is gone afterwards.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"

namespace gfn {

class TestFolder {
 public:
  TestFolder() : path_(::testing::TempDir() + "gfn_test_XXXXXX") { GFN_CHECK(::mkdtemp(path_.data()) != nullptr) << path_; }
  ~TestFolder() { (void)RemoveAll(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return JoinPath(path_, name); }

 private:
  std::string path_;
};

}  // namespace gfn
