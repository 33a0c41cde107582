#include "tests/reliability/gfn_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"

namespace gfn {

GfnProcess::GfnProcess(const std::string& working, const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {GFN_BINARY};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (folder_ / "out").c_str(), O_WRONLY | O_CREAT, 0666);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (folder_ / "err").c_str(), O_WRONLY | O_CREAT, 0666);
  posix_spawn_file_actions_addchdir_np(&actions, working.c_str());
  const int error = posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  GFN_CHECK_EQ(error, 0) << "cannot start " << all[0];
}

GfnProcess::~GfnProcess() {
  if (!IsRunning()) return;
  kill(pid_, SIGKILL);
  Wait();
}

void GfnProcess::Signal(int signal) const {
  if (!ended_) kill(pid_, signal);
}

bool GfnProcess::Reap(int options) {
  rusage usage{};
  if (wait4(pid_, &wait_status_, options, &usage) != pid_) return false;
  peak_bytes_ = int64_t{usage.ru_maxrss} * 1024;
  return ended_ = true;
}

bool GfnProcess::IsRunning() { return !ended_ && !Reap(WNOHANG); }

int GfnProcess::Wait() {
  if (!ended_) GFN_CHECK(Reap(0)) << "process " << pid_;
  return WIFSIGNALED(wait_status_) ? -WTERMSIG(wait_status_) : WEXITSTATUS(wait_status_);
}

void GfnProcess::Pause() { usleep(500); }

std::string GfnProcess::Out() const { return ReadFile(folder_ / "out").value_or(""); }
std::string GfnProcess::Err() const { return ReadFile(folder_ / "err").value_or(""); }

GfnResult RunGfn(const std::string& working, const std::vector<std::string>& arguments) {
  GfnProcess process(working, arguments);
  const int exit_code = process.Wait();
  return {exit_code, process.Out(), process.Err(), process.PeakBytes()};
}

}  // namespace gfn
