#include "cli/progress.h"

#include <sys/ioctl.h>

#include <algorithm>

#include "blkrewind/units.h"
#include "cli/sizes.h"

namespace blkrewind::cli {
namespace {

constexpr unsigned kUsualColumns = 80;
constexpr std::size_t kMinBarColumns = 10;
constexpr std::size_t kMaxBarColumns = 40;
constexpr auto kSilence = std::chrono::milliseconds(250);
constexpr auto kInterval = std::chrono::milliseconds(100);
// A rate measured over less time than this is meaningless.
constexpr double kMinRateSeconds = 0.5;

unsigned columns_of(std::FILE* stream) {
  struct winsize size = {};
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kUsualColumns;
}

std::string bar_of(double fraction, std::size_t columns) {
  const auto full = static_cast<std::size_t>(fraction * static_cast<double>(columns));
  return "[" + std::string(full, '#') + std::string(columns - full, '.') + "]";
}

}  // namespace

std::string render_progress(const Progress& progress, std::uint64_t started_bytes, double seconds,
                            unsigned columns) {
  const std::size_t room = columns > 1 ? columns - 1 : 1;
  const std::uint64_t total = progress.total_bytes;
  const std::uint64_t done =
      total != 0 ? std::min(progress.done_bytes, total) : progress.done_bytes;
  std::string head = progress.phase != nullptr ? progress.phase : "";
  std::string tail = format_bytes(done);
  double fraction = 0;
  if (total != 0) {
    fraction = static_cast<double>(done) / static_cast<double>(total);
    // 100% only when finished, regardless of rounding.
    const int whole = done == total ? 100 : std::min(static_cast<int>(fraction * 100), 99);
    std::string percent = std::to_string(whole);
    percent.insert(0, percent.size() < 3 ? 3 - percent.size() : 0, ' ');
    head += " " + percent + "%";
    tail += " of " + format_bytes(total);
  }
  const std::uint64_t moved = done > started_bytes ? done - started_bytes : 0;
  if (seconds >= kMinRateSeconds && moved > 0) {
    if (const std::string rate = format_rate(moved, seconds); !rate.empty()) tail += "  " + rate;
    if (total != 0) {
      const double left = seconds * static_cast<double>(total - done) / static_cast<double>(moved);
      tail += "  " + format_clock(left) + " left";
    }
  }
  std::string line = head + "  ";
  if (total != 0) {
    const std::size_t taken = head.size() + tail.size() + 6;  // blanks and brackets
    const std::size_t bar = room > taken ? std::min(room - taken, kMaxBarColumns) : 0;
    if (bar >= kMinBarColumns) line += bar_of(fraction, bar) + "  ";
  }
  line += tail;
  if (line.size() > room) line.resize(room);
  return line;
}

void ProgressBar::update(const Progress& progress) {
  if (!enabled_) return;
  const auto now = Clock::now();
  const std::string phase = progress.phase != nullptr ? progress.phase : "";
  if (!begun_) {
    begun_ = true;
    begun_at_ = now;
  }
  if (phase_ != phase || phase_began_at_ == Clock::time_point{}) {
    phase_ = phase;
    phase_began_at_ = now;
    phase_started_bytes_ = progress.done_bytes;
  }
  if (now - begun_at_ < kSilence || (drawn_ && now - drawn_at_ < kInterval)) return;
  const double seconds = std::chrono::duration<double>(now - phase_began_at_).count();
  const std::string line =
      render_progress(progress, phase_started_bytes_, seconds, columns_of(stream_));
  // If the terminal is gone, only the progress bar is lost.
  std::fprintf(stream_, "\r%s\033[K", line.c_str());
  std::fflush(stream_);
  drawn_ = true;
  drawn_at_ = now;
}

void ProgressBar::erase() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stream_);
  std::fflush(stream_);
  drawn_ = false;
}

}  // namespace blkrewind::cli
