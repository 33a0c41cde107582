#include "gflownet/base/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kKeptErrors = 2000;  // bytes of standard error that a message shows

struct Pipe {
  int read = -1, write = -1;
};

bool MakePipe(Pipe& pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  pipe = {ends[0], ends[1]};
  return true;
}

void Close(int& descriptor) {
  if (descriptor >= 0) close(descriptor);
  descriptor = -1;
}

void MakeNonBlocking(int descriptor) { fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK); }

// Only calls that are safe behind fork: the parent has threads.
[[noreturn]] void RunChild(const Pipe& input, const Pipe& output, const Pipe& errors, int report, char* const* arguments) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(input.read, STDIN_FILENO);
  dup2(output.write, STDOUT_FILENO);
  dup2(errors.write, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGINT, SIGTERM, SIGPIPE}) signal(number, SIG_DFL);
  execvp(arguments[0], arguments);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(report, &error, sizeof error);
  _exit(127);
}

// A write to a program that has ended must not end this one.
class IgnoredSigpipe {
 public:
  IgnoredSigpipe() { before_ = signal(SIGPIPE, SIG_IGN); }
  ~IgnoredSigpipe() { signal(SIGPIPE, before_); }

 private:
  void (*before_)(int) = nullptr;
};

}  // namespace

StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::vector<std::string>& command) {
  if (command.empty() || command[0].empty()) return InvalidArgument("a command to start is missing");
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::unique_ptr<ChildProcess> child(new ChildProcess);
  child->name_ = Join(command, " ");
  Pipe input, output, errors, report;
  if (!MakePipe(input) || !MakePipe(output) || !MakePipe(errors) || !MakePipe(report))
    return ResourceExhausted("no pipe for " + child->name_ + ": " + std::strerror(errno));
  const pid_t pid = fork();
  if (pid == 0) RunChild(input, output, errors, report.write, arguments.data());
  for (int* end : {&input.read, &output.write, &errors.write, &report.write}) Close(*end);
  child->input_ = input.write;
  child->output_ = output.read;
  child->errors_ = errors.read;
  if (pid < 0) {
    Close(report.read);
    return ResourceExhausted("cannot start " + child->name_ + ": " + std::strerror(errno));
  }
  child->pid_ = pid;
  int error = 0;
  const bool failed = read(report.read, &error, sizeof error) == sizeof error;  // end of file: the program has been started
  Close(report.read);
  if (failed) return InvalidArgument("cannot start " + child->name_ + ": " + std::strerror(error));
  for (const int descriptor : {child->input_, child->output_, child->errors_}) MakeNonBlocking(descriptor);
  return child;
}

ChildProcess::~ChildProcess() {
  Close(input_);
  for (int wait = 0; pid_ > 0 && !ended_ && wait < 100; ++wait) {
    ended_ = waitpid(pid_, &wait_status_, WNOHANG) == pid_;
    if (!ended_) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (pid_ > 0 && !ended_) {
    kill(-pid_, SIGKILL);
    kill(pid_, SIGKILL);
    waitpid(pid_, &wait_status_, 0);
  }
  Close(output_);
  Close(errors_);
}

void ChildProcess::DrainErrors() {
  std::array<char, 4096> buffer;
  for (ssize_t n; (n = read(errors_, buffer.data(), buffer.size())) > 0;) {
    last_words_.append(buffer.data(), static_cast<size_t>(n));
    if (last_words_.size() > kKeptErrors) last_words_.erase(0, last_words_.size() - kKeptErrors);
  }
}

std::string ChildProcess::Describe() {
  DrainErrors();
  std::string text = name_;
  if (ended_ && WIFEXITED(wait_status_)) text += " (exit status " + std::to_string(WEXITSTATUS(wait_status_)) + ")";
  if (ended_ && WIFSIGNALED(wait_status_)) text += " (ended by signal " + std::to_string(WTERMSIG(wait_status_)) + ")";
  std::string words = last_words_;
  while (!words.empty() && words.back() == '\n') words.pop_back();
  return text + (words.empty() ? ", which wrote nothing on standard error" : ", whose last words were:\n" + words);
}

Status ChildProcess::Fail(const std::string& what) {
  // The exit status and the last words of a program that is ending come within moments.
  for (int wait = 0; wait < 20 && !ended_; ++wait) {
    ended_ = waitpid(pid_, &wait_status_, WNOHANG) == pid_;
    if (!ended_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  failure_ = what + ": " + Describe();
  return FailedPrecondition(failure_);
}

StatusOr<std::string> ChildProcess::Ask(const std::string& line, double timeout_seconds) {
  if (!failure_.empty()) return FailedPrecondition(failure_);
  const IgnoredSigpipe ignored;
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds));
  const std::string question = line + "\n";
  size_t written = 0;
  std::array<char, 65536> buffer;
  for (;;) {
    const size_t end = unread_.find('\n');
    if (end != std::string::npos && written == question.size()) {
      std::string answer = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return answer;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Fail("no answer within " + FormatShort(timeout_seconds) + " s");
    std::array<pollfd, 3> wait = {pollfd{output_, POLLIN, 0}, pollfd{errors_, POLLIN, 0},
                                  pollfd{written < question.size() ? input_ : -1, POLLOUT, 0}};
    if (poll(wait.data(), wait.size(), static_cast<int>(std::min<int64_t>(left, 1000))) < 0 && errno != EINTR)
      return Fail(std::string("cannot wait for an answer: ") + std::strerror(errno));
    if (wait[1].revents & POLLIN) DrainErrors();
    if (wait[1].revents & POLLHUP) {  // its standard error is closed, which is no fault
      DrainErrors();
      Close(errors_);
    }
    if (wait[2].revents != 0) {
      const ssize_t n = write(input_, question.data() + written, question.size() - written);
      if (n < 0 && errno != EAGAIN && errno != EINTR) return Fail("it takes no more questions");
      if (n > 0) written += static_cast<size_t>(n);
    }
    if (wait[0].revents != 0) {
      const ssize_t n = read(output_, buffer.data(), buffer.size());
      if (n == 0) return Fail("it ended, or closed its output, without an answer");
      if (n > 0) unread_.append(buffer.data(), static_cast<size_t>(n));
    }
  }
}

}  // namespace gfn
