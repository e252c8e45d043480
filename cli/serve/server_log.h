// The server's log: one line an event on standard error, by spdlog. No secret is ever part of one.
#pragma once

#include <string>

#include "blkrewind/engine.h"

namespace blkrewind::serve {

// Lines below `level` are left out. Off until called.
void open_server_log(LogLevel level);

// Any thread. Control characters are replaced, so that nobody can forge a line.
void log_line(LogLevel level, std::string text);

}  // namespace blkrewind::serve
