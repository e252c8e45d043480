// The whole program except main().
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace blkrewind::cli {

// Parses, runs one command, reports; returns the exit status. `arguments` without the program's
// name. Does not own the streams. Throws no exception.
[[nodiscard]] int run_program(std::vector<std::string> arguments, std::FILE* out, std::FILE* err);

}  // namespace blkrewind::cli
