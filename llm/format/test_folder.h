// For tests: where the golden models are, and a scratch folder that no other test, and no test of another build, writes into.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "gflownet/base/file_util.h"

namespace gfn {

inline const std::string kModels = GFN_SOURCE_DIR "/tests/golden/models/";

// Emptied; it stays after the test, to be looked at.
inline std::string TestFolder(const std::string& name) {
  const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
  const std::string folder = std::string(GFN_BINARY_DIR "/test_tmp/") + test.test_suite_name() + "." + test.name() + "/" + name;
  EXPECT_TRUE(RemoveAll(folder).ok() && MakeFolders(folder).ok()) << folder;
  return folder;
}

}  // namespace gfn
