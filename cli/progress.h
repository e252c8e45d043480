// The progress bar of long work, on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "blkrewind/engine.h"

namespace blkrewind::cli {

// One line of at most `columns` - 1 columns: phase, percent, bar, bytes, rate, time left. `seconds`
// and `started_bytes` are of this phase: the rate counts only what was done in it. Parts that are
// not known yet, or do not fit, are left out.
[[nodiscard]] std::string render_progress(const Progress& progress, std::uint64_t started_bytes,
                                          double seconds, unsigned columns);

// Draws at most about ten times a second, and nothing during the first quarter of a second: short
// work needs no bar. One thread only. Does not own the stream; the destructor erases the bar.
class ProgressBar {
 public:
  // Not enabled: every call does nothing.
  ProgressBar(std::FILE* stream, bool enabled) : stream_(stream), enabled_(enabled) {}
  ~ProgressBar() { erase(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  [[nodiscard]] bool enabled() const { return enabled_; }
  void update(const Progress& progress);
  // Leaves the line empty, for other output or for good. The next update draws again.
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
