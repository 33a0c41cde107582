#include "gflownet/base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "gflownet/base/clock.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

// Columns of the terminal behind standard error; 0 if it is none.
int TerminalColumns() {
  const char* kind = std::getenv("TERM");
  if (::isatty(STDERR_FILENO) == 0 || (kind != nullptr && std::string_view(kind) == "dumb")) return 0;
  winsize size{};
  constexpr int kUsual = 80;
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

std::string Bar(double fraction, int width) {
  const int filled = static_cast<int>(fraction * width);
  std::string bar(filled, '=');
  if (filled < width) bar += '>';
  bar.resize(width, ' ');
  return "[" + bar + "]";
}

constexpr const char* kClearLine = "\r\033[K";

}  // namespace

std::string RenderProgress(const ProgressState& state, int width) {
  const double fraction =
      state.total > 0 ? std::clamp(static_cast<double>(state.step) / static_cast<double>(state.total), 0.0, 1.0) : 0;
  const std::string count = std::to_string(state.step) + (state.total > 0 ? "/" + std::to_string(state.total) : "");
  std::vector<std::string> parts = {count};
  for (const auto& [name, value] : state.numbers) parts.push_back(name + " " + FormatShort(value));
  if (state.tokens_per_second > 0) parts.push_back(FormatShort(state.tokens_per_second) + " tok/s");
  if (state.seconds_left >= 0) {
    parts.push_back(FormatDuration(state.seconds_left) + " left");
  } else {
    parts.push_back(FormatDuration(state.seconds));
  }
  if (width > 0) {
    // The bar takes what the numbers leave; if that is too little, numbers go from the back, the time last.
    constexpr int kSmallestBar = 5, kLargestBar = 30;
    const auto rest = [&] { return width - static_cast<int>(state.label.size() + Join(parts, "  ").size()) - 6; };
    while (rest() < (state.total > 0 ? kSmallestBar : 0) && parts.size() > 2) parts.erase(parts.end() - 2);
    if (state.total > 0 && rest() >= kSmallestBar) parts.insert(parts.begin(), Bar(fraction, std::min(rest(), kLargestBar)));
  }
  std::string line = state.label + "  " + Join(parts, "  ");
  if (width > 0 && line.size() > static_cast<size_t>(width)) line.resize(width);
  return line;
}

Progress::Progress(std::string label, int64_t total, int64_t first_step, ProgressOptions options)
    : options_(std::move(options)), first_step_(first_step) {
  if (options_.out == nullptr) options_.out = &std::cerr;
  if (options_.terminal_columns < 0) options_.terminal_columns = TerminalColumns();
  state_.label = std::move(label);
  state_.total = total;
  state_.step = first_step;
  last_drawn_ = Now();
  start_ = last_drawn_ - options_.seconds_before;
}

Progress::~Progress() { Finish(); }

double Progress::Now() const { return options_.now ? options_.now() : SteadySeconds(); }

void Progress::Update(int64_t step, NamedNumbers numbers, int64_t tokens) {
  if (finished_) return;
  state_.step = step;
  state_.numbers = std::move(numbers);
  tokens_ += tokens;
  const double now = Now();
  const bool first = drawn_step_ < 0;  // soon after the start something should be seen
  if (first || now - last_drawn_ >= (options_.terminal_columns > 0 ? options_.redraw_seconds : options_.line_seconds)) Draw();
}

void Progress::Draw() {
  const double now = Now();
  state_.seconds = now - start_;
  const int64_t done = state_.step - first_step_;  // since the start: a resumed run begins in the middle
  const bool known = state_.total > 0 && done > 0;
  state_.seconds_left =
      known ? state_.seconds / static_cast<double>(done) * static_cast<double>(std::max<int64_t>(0, state_.total - state_.step))
            : -1;
  state_.tokens_per_second = state_.seconds > 0 ? static_cast<double>(tokens_) / state_.seconds : 0;
  // The last column stays free: some terminals break the line there.
  const std::string line = RenderProgress(state_, std::max(0, options_.terminal_columns - 1));
  if (options_.terminal_columns > 0) {
    *options_.out << kClearLine << line << std::flush;
  } else {
    *options_.out << line << std::endl;
  }
  last_drawn_ = now;
  drawn_step_ = state_.step;
}

void Progress::Print(std::string_view line) {
  const bool bar = options_.terminal_columns > 0 && !finished_ && drawn_step_ >= 0;
  if (bar) *options_.out << kClearLine;
  *options_.out << line << std::endl;
  if (bar) Draw();
}

void Progress::Finish() {
  if (finished_) return;
  if (drawn_step_ != state_.step && (drawn_step_ >= 0 || state_.step != first_step_)) Draw();
  if (options_.terminal_columns > 0 && drawn_step_ >= 0) *options_.out << std::endl;
  finished_ = true;
}

}  // namespace gfn
