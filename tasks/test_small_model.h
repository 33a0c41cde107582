// The small models that tests of tasks share, and what doctor says of a task.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tasks/task/task.h"

namespace gfn {

inline const std::string kSmallModels = std::string(GFN_SOURCE_DIR) + "/tests/golden/small/";

inline void ExpectGreen(Task& task) {
  const auto examination = task.Examine();
  ASSERT_TRUE(examination.ok()) << examination.status();
  for (const Check& check : examination->checks)
    EXPECT_TRUE(check.ok()) << check.name << ": " << check.found << " of " << check.allowed << " " << check.detail;
}

}  // namespace gfn
