#include "gflownet/base/phase.h"

#include <chrono>
#include <stdexcept>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

using ::testing::ElementsAre;

// Records into `times` while it lives.
struct Recording {
  PhaseTimes times;
  PhaseTimes* previous = SetPhaseTimes(&times);
  ~Recording() { SetPhaseTimes(previous); }
};

std::vector<std::string> Paths(const PhaseTimes& times) {
  std::vector<std::string> paths;
  for (const PhaseEntry& entry : times.entries()) paths.push_back(entry.path);
  return paths;
}

TEST(PhaseTest, NamesNest) {
  EXPECT_EQ(CurrentPhase(), "");
  {
    const Phase step("step");
    EXPECT_EQ(CurrentPhase(), "step");
    {
      const Phase reward("reward");
      EXPECT_EQ(CurrentPhase(), "step/reward");
    }
    EXPECT_EQ(CurrentPhase(), "step");
  }
  EXPECT_EQ(CurrentPhase(), "");
}

TEST(PhaseTest, RecordsTimeCallsAndWork) {
  Recording recording;
  for (int i = 0; i < 3; ++i) {
    const Phase outer("outer");
    AddPhaseWork("positions", 10);
    const Phase inner("inner");
    AddPhaseWork("flops", 1e9);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  { const Phase inner("inner"); }
  EXPECT_THAT(Paths(recording.times), ElementsAre("outer", "outer/inner", "inner"));
  const PhaseEntry* outer = recording.times.Find("outer");
  const PhaseEntry* inner = recording.times.Find("outer/inner");
  EXPECT_EQ(outer->num_calls, 3);
  EXPECT_EQ(inner->num_calls, 3);
  EXPECT_GE(inner->seconds, 0.006);
  EXPECT_GE(outer->seconds, inner->seconds);
  EXPECT_EQ(outer->work.at("positions"), 30);
  EXPECT_FALSE(outer->work.contains("flops"));
  EXPECT_EQ(inner->work.at("flops"), 3e9);
  EXPECT_EQ(recording.times.Find("nothing"), nullptr);
}

TEST(PhaseTest, WithoutRecordingNothingHappens) {
  ASSERT_EQ(SetPhaseTimes(nullptr), nullptr);
  AddPhaseWork("positions", 1);
  const Phase phase("phase");
  AddPhaseWork("positions", 1);
}

TEST(PhaseTest, OpenPhasesKeepTheirRecord) {
  PhaseTimes first, second;
  SetPhaseTimes(&first);
  {
    const Phase outer("outer");
    EXPECT_EQ(SetPhaseTimes(&second), &first);
    const Phase inner("inner");
  }
  EXPECT_EQ(SetPhaseTimes(nullptr), &second);
  EXPECT_THAT(Paths(first), ElementsAre("outer"));
  EXPECT_THAT(Paths(second), ElementsAre("outer/inner"));
}

TEST(PhaseTest, ThreadsAreApart) {
  Recording recording;
  const Phase phase("main");
  std::thread([] {
    EXPECT_EQ(CurrentPhase(), "");
    const Phase other("other");
    EXPECT_EQ(CurrentPhase(), "other");
  }).join();
  EXPECT_THAT(Paths(recording.times), ElementsAre("main"));
}

TEST(PhaseTest, TheFailedPhaseIsTheInnermost) {
  EXPECT_EQ(TakeFailedPhase(), "");
  try {
    const Phase step("step");
    const Phase reward("reward");
    const Phase forward("forward");
    throw std::runtime_error("out of memory");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(CurrentPhase(), "");
  EXPECT_EQ(TakeFailedPhase(), "step/reward/forward");
  EXPECT_EQ(TakeFailedPhase(), "");
}

TEST(PhaseTest, ADealtWithFailureIsForgotten) {
  const Phase step("step");
  try {
    const Phase a("a");
    throw std::runtime_error("first");
  } catch (const std::runtime_error&) {
  }
  try {
    const Phase b("b");
    throw std::runtime_error("second");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(TakeFailedPhase(), "step/b");
  try {
    const Phase a("a");
    throw std::runtime_error("third");
  } catch (const std::runtime_error&) {
  }
  { const Phase c("c"); }
  EXPECT_EQ(TakeFailedPhase(), "");
}

TEST(PhaseTimesTest, MergeAdds) {
  PhaseTimes a, b;
  a.At("x") = {.path = "x", .seconds = 1, .num_calls = 2, .work = {{"positions", 3}}};
  b.At("x") = {.path = "x", .seconds = 10, .num_calls = 20, .work = {{"positions", 30}, {"flops", 5}}};
  b.At("y").seconds = 7;
  a.Merge(b);
  EXPECT_THAT(Paths(a), ElementsAre("x", "y"));
  EXPECT_EQ(a.Find("x")->seconds, 11);
  EXPECT_EQ(a.Find("x")->num_calls, 22);
  EXPECT_EQ(a.Find("x")->work.at("positions"), 33);
  EXPECT_EQ(a.Find("x")->work.at("flops"), 5);
  a.Clear();
  EXPECT_EQ(a.Find("x"), nullptr);
}

}  // namespace
}  // namespace gfn
