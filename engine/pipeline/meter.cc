#include "pipeline/meter.h"

#include <algorithm>

namespace blkrewind::pipeline {
namespace {

constexpr std::chrono::milliseconds kInterval{100};

}  // namespace

Meter::Meter(const Monitor& monitor, const char* phase, std::uint64_t total_bytes)
    : monitor_(monitor), next_(std::chrono::steady_clock::now() + kInterval) {
  progress_.phase = phase;
  progress_.total_bytes = total_bytes;
}

Status Meter::advance(std::uint64_t bytes) {
  if (monitor_.cancel != nullptr && monitor_.cancel->load(std::memory_order_relaxed)) {
    return fail(Errc::kCancelled, "cancelled");
  }
  progress_.done_bytes = std::min(progress_.done_bytes + bytes, progress_.total_bytes);
  if (monitor_.progress && std::chrono::steady_clock::now() >= next_) report();
  return {};
}

void Meter::finish() {
  progress_.done_bytes = progress_.total_bytes;
  if (monitor_.progress) report();
}

void Meter::report() {
  next_ = std::chrono::steady_clock::now() + kInterval;
  monitor_.progress(progress_);
}

}  // namespace blkrewind::pipeline
