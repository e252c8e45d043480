// The progress bar of long operations, on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "blkrewind/engine.h"

namespace blkrewind::cli {

// One line of at most `columns` - 1 columns: phase, percent, bar, bytes, rate, time left. `seconds`
// and `started_bytes` refer to this phase: the rate covers only this phase. Parts that are not
// known yet, or do not fit, are left out.
[[nodiscard]] std::string render_progress(const Progress& progress, std::uint64_t started_bytes,
                                          double seconds, unsigned columns);

// Draws at most about ten times a second, and nothing during the first quarter of a second: short
// operations need no bar. One thread only. Does not own the stream; the destructor erases the bar.
class ProgressBar {
 public:
  // If not enabled, every call does nothing.
  ProgressBar(std::FILE* stream, bool enabled) : stream_(stream), enabled_(enabled) {}
  ~ProgressBar() { erase(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  [[nodiscard]] bool enabled() const { return enabled_; }
  void update(const Progress& progress);
  // Clears the line, for other output or at the end. The next update draws again.
  void erase();

 private:
  using Clock = std::chrono::steady_clock;

  std::FILE* stream_;
  bool enabled_;
  bool drawn_ = false;
  bool begun_ = false;
  std::string phase_;
  std::uint64_t phase_started_bytes_ = 0;
  Clock::time_point begun_at_;
  Clock::time_point phase_began_at_;
  Clock::time_point drawn_at_;
};

}  // namespace blkrewind::cli
