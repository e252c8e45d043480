// Where to listen, as --listen says it.
#pragma once

#include <string>

#include "blkrewind/error.h"

namespace blkrewind::serve {

struct Address {
  std::string host;  // numeric
  int port = 0;
  bool loopback = false;  // nobody but this machine reaches it
};

// "127.0.0.1:8470", "[::1]:8470", "localhost:0". Numeric addresses only, so that what is listened
// on is what was written. Port 0 is any free one. Errors: kInvalidArgument.
[[nodiscard]] Result<Address> parse_address(const std::string& text);

}  // namespace blkrewind::serve
