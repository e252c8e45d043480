// The address to listen on, as given by --listen.
#pragma once

#include <string>

#include "blkrewind/error.h"

namespace blkrewind::serve {

struct Address {
  std::string host;  // numeric
  int port = 0;
  bool loopback = false;  // only this machine can reach it
};

// "127.0.0.1:8470", "[::1]:8470", "localhost:0". Numeric addresses only, so that the server listens
// exactly where the user said. Port 0 is any free one. Errors: kInvalidArgument.
[[nodiscard]] Result<Address> parse_address(const std::string& text);

}  // namespace blkrewind::serve
