// Log messages, off until set_log_level() (blkrewind/engine.h), to where set_log_sink() says.
//
// Any thread. A message below the level costs one atomic load: call enabled() before building an
// expensive text. Never throws; a message that cannot be written is dropped.
#pragma once

#include <string_view>

#include "blkrewind/engine.h"

namespace blkrewind::log {

[[nodiscard]] bool enabled(LogLevel level) noexcept;

void error(std::string_view text) noexcept;
void warning(std::string_view text) noexcept;
void info(std::string_view text) noexcept;
void debug(std::string_view text) noexcept;

}  // namespace blkrewind::log
