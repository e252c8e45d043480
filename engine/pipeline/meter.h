// Progress and cancellation of one phase of an operation. One thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"

namespace blkrewind::pipeline {

class Meter {
 public:
  Meter(const Monitor& monitor, const char* phase, std::uint64_t total_bytes);

  // kCancelled if the caller has requested it.
  [[nodiscard]] Status advance(std::uint64_t bytes);
  void finish();

 private:
  void report();

  const Monitor& monitor_;
  Progress progress_;
  std::chrono::steady_clock::time_point next_;
};

// Seconds since construction.
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace blkrewind::pipeline
