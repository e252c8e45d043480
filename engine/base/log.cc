#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

namespace blkrewind {
namespace {

std::atomic<LogLevel> current_level{LogLevel::kOff};

// Held while a message is on its way, so that set_log_sink() waits for it. Never destroyed,
// as below.
struct Destination {
  std::mutex mutex;
  LogSink sink;  // empty: standard error
};

Destination& destination() {
  static Destination* const instance = new Destination;
  return *instance;
}

// True in the thread that runs a sink, whose own messages are dropped.
thread_local bool in_sink = false;

void call_sink(const LogSink& sink, LogLevel level, std::string_view text) {
  struct Guard {
    Guard() { in_sink = true; }
    ~Guard() { in_sink = false; }
  } const guard;
  sink(level, text);
}

// Created by the first message and never destroyed: other threads and static destructors may still
// log while the program ends. Not in spdlog's registry, which belongs to the embedding program.
spdlog::logger* logger() {
  static spdlog::logger* const instance = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto made = std::make_unique<spdlog::logger>("blkrewind", std::move(sink));
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z blkrewind[%P] %l: %v");
    made->set_level(spdlog::level::trace);  // current_level decides what is written
    made->flush_on(spdlog::level::trace);
    return made.release();
  }();
  return instance;
}

void write_line(LogLevel level, spdlog::level::level_enum spdlog_level,
                std::string_view text) noexcept {
  if (!log::enabled(level) || in_sink) return;
  try {
    Destination& to = destination();
    const std::lock_guard lock(to.mutex);
    if (to.sink) return call_sink(to.sink, level, text);
    logger()->log(spdlog_level, spdlog::string_view_t(text.data(), text.size()));
  } catch (...) {
    // A failed log message does not fail an operation.
  }
}

}  // namespace

void set_log_level(LogLevel level) { current_level.store(level, std::memory_order_relaxed); }

void set_log_sink(LogSink sink) {
  Destination& to = destination();
  const std::lock_guard lock(to.mutex);
  to.sink.swap(sink);
}

namespace log {

bool enabled(LogLevel level) noexcept {
  return level != LogLevel::kOff && level <= current_level.load(std::memory_order_relaxed);
}

void error(std::string_view text) noexcept {
  write_line(LogLevel::kError, spdlog::level::err, text);
}
void warning(std::string_view text) noexcept {
  write_line(LogLevel::kWarning, spdlog::level::warn, text);
}
void info(std::string_view text) noexcept {
  write_line(LogLevel::kInfo, spdlog::level::info, text);
}
void debug(std::string_view text) noexcept {
  write_line(LogLevel::kDebug, spdlog::level::debug, text);
}

}  // namespace log
}  // namespace blkrewind
