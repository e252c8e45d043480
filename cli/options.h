// The options that all commands share, given before or after the command.
#pragma once

#include <string>

namespace blkrewind::cli {

inline constexpr const char* kDefaultStore = "/var/lib/blkrewind";

struct GlobalOptions {
  std::string store;   // as given; empty: $BLKREWIND_STORE, otherwise kDefaultStore
  bool json = false;   // one JSON object on stdout, and errors as one on stderr
  bool quiet = false;  // no receipts, no progress
  int verbosity = 0;   // 0: warnings; 1: operations; 2: everything
};

}  // namespace blkrewind::cli
