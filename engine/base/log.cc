#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

namespace blkrewind {
namespace {

std::atomic<LogLevel> current_level{LogLevel::kOff};

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
  if (!log::enabled(level)) return;
  try {
    logger()->log(spdlog_level, spdlog::string_view_t(text.data(), text.size()));
  } catch (...) {
    // A failed log message does not fail an operation.
  }
}

}  // namespace

void set_log_level(LogLevel level) { current_level.store(level, std::memory_order_relaxed); }

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
