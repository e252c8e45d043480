// The log of the server: one line per event on standard error, by spdlog. No line contains a
// secret.
#pragma once

#include <string>

#include "blkrewind/engine.h"

namespace blkrewind::serve {

// Messages below `level` are dropped. Off until called.
void open_server_log(LogLevel level);

// Any thread. Control characters are replaced, so that no client can forge a line.
void log_line(LogLevel level, std::string text);

}  // namespace blkrewind::serve
