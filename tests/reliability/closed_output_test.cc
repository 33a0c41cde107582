// Pipes that nobody reads any more and streams that were closed from the start: no run is lost by them, nothing lands in another
// file, and a command whose lines are all it makes ends in silence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "gflownet/base/file_util.h"
#include "gflownet/train/checkpoint.h"
#include "gflownet/train/metrics.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ClosedOutput : public testing::Test {
 protected:
  // Runs a line of bash in the folder, in which $GFN is the binary; its exit code.
  int Shell(const std::string& line) const {
    tiny_.Write("line.sh", "cd " + tiny_.folder() + " || exit 99\nGFN=" + GFN_BINARY + "\n" + line + "\n");
    return WEXITSTATUS(std::system(("bash " + (tiny_ / "line.sh")).c_str()));
  }
  // The same with a reader of standard output that is gone before the command begins.
  int WithoutReader(const std::string& command) const {
    return Shell("mkfifo pipe; { exec 5<pipe; exec 5<&-; : >gone; } & ( exec >pipe; while [ ! -e gone ]; do sleep 0.01; done; " +
                 command + "; echo $? >rc ); wait; rm -f pipe gone");
  }
  const TinyRun tiny_;
};

TEST_F(ClosedOutput, ATrainingGoesOnWithoutAReader) {
  ASSERT_EQ(WithoutReader("$GFN train tiny.yaml --out run 2>&1"), 0);
  EXPECT_EQ(tiny_.Read("rc"), "0\n");
  EXPECT_TRUE(FileExists(tiny_ / "run/adapter/adapter_config.json"));
  EXPECT_EQ(LatestValidCheckpoint(tiny_.checkpoints("run"))->manifest.step, 6);
  ASSERT_EQ(RunGfn(tiny_.folder(), TinyRun::Train("straight")).exit_code, 0);
  EXPECT_EQ(RunState(tiny_ / "run", 6), RunState(tiny_ / "straight", 6));
}

TEST_F(ClosedOutput, CommandsThatPrintEndInSilence) {
  ASSERT_EQ(RunGfn(tiny_.folder(), TinyRun::Train("run", {"train.max_steps=1"})).exit_code, 0);
  const std::string silent = std::to_string(128 + SIGPIPE) + "\n";
  for (const char* command : {"sample run --input stories.jsonl --num 4", "describe run", "describe tiny.yaml", "describe --keys",
                              "eval run --samples 2 --json numbers.json"}) {
    ASSERT_EQ(WithoutReader(std::string("$GFN ") + command + " 2>err"), 0) << command;
    EXPECT_EQ(tiny_.Read("rc"), silent) << command << ": " << tiny_.Read("err");
    EXPECT_THAT(tiny_.Read("err"), testing::Not(HasSubstr("gfn: "))) << command;
  }
  EXPECT_TRUE(FileExists(tiny_ / "numbers.json")) << "files are written whether or not the table is read";
  // The lines that were read are whole.
  ASSERT_EQ(Shell("$GFN sample run --input stories.jsonl --num 4 2>err | head -n 1 >first"), 0);
  EXPECT_THAT(tiny_.Read("first"), AllOf(HasSubstr("\"id\":\"dog\""), testing::EndsWith("}\n")));
  // Without a reader of the log the results come all the same.
  ASSERT_EQ(WithoutReader("$GFN sample run --input stories.jsonl --num 4 2>&1 >lines"), 0);
  EXPECT_EQ(tiny_.Read("rc"), "0\n");
  EXPECT_EQ(std::ranges::count(tiny_.Read("lines"), '\n'), 12);
}

TEST_F(ClosedOutput, NothingLandsInTheFilesOfTheRun) {
  for (const char* closed : {"2>&-", ">&- 2>&-", "<&- >&- 2>&-"}) {
    ASSERT_EQ(Shell(std::string("$GFN train tiny.yaml --out run --set train.max_steps=2 ") + closed), 0) << closed;
    const auto lines = ReadMetrics(tiny_ / "run/metrics.jsonl");
    ASSERT_TRUE(lines.ok()) << closed << ": " << lines.status();
    EXPECT_TRUE(FileExists(tiny_ / "run/adapter/adapter_config.json")) << closed;
    ASSERT_TRUE(RemoveAll(tiny_ / "run").ok());
  }
}

}  // namespace
}  // namespace gfn
