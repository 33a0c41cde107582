// Progress of a long loop. On a terminal one line is redrawn in place:
//
//   train  [=========>          ]  41/100  loss 3.21  spread 2.90  512 tok/s  0:58 left
//
// elsewhere a plain line is printed at intervals. The clock decides only what is shown.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gfn {

using NamedNumbers = std::vector<std::pair<std::string, double>>;

// What a line shows.
struct ProgressState {
  std::string label;
  int64_t step = 0;   // done
  int64_t total = 0;  // 0: unknown, no bar and no time left
  NamedNumbers numbers;
  double tokens_per_second = 0;  // 0: not shown
  double seconds = 0;            // since the start
  double seconds_left = -1;      // negative: unknown
};

// One line without its end, at most `width` columns (0: no limit and no bar).
std::string RenderProgress(const ProgressState& state, int width);

struct ProgressOptions {
  std::ostream* out = nullptr;  // nullptr: standard error
  int terminal_columns = -1;    // 0: not a terminal; -1: ask the system about standard error
  double redraw_seconds = 0.1;  // on a terminal
  double line_seconds = 10;     // elsewhere
  double seconds_before = 0;    // spent before the construction on what the first Update reports
  std::function<double()> now;  // seconds, for tests; the steady clock if empty
};

class Progress {
 public:
  Progress(std::string label, int64_t total, int64_t first_step = 0, ProgressOptions options = {});
  ~Progress();  // as Finish
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `step` steps are done; `tokens` were worked on since the last call.
  void Update(int64_t step, NamedNumbers numbers = {}, int64_t tokens = 0);
  // A line of its own above the bar.
  void Print(std::string_view line);
  // Leaves the last state on the screen. Later calls do nothing.
  void Finish();

 private:
  void Draw();
  double Now() const;

  ProgressState state_;
  ProgressOptions options_;
  int64_t first_step_;
  double start_;
  double last_drawn_;
  int64_t tokens_ = 0;
  int64_t drawn_step_ = -1;
  bool finished_ = false;
};

}  // namespace gfn
