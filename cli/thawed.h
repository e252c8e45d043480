// What `blkrewind thaw` did.
#pragma once

#include <string>

#include "blkrewind/thaw.h"
#include "cli/json.h"

namespace blkrewind::cli {

[[nodiscard]] Json json_of(const ThawReceipt& receipt);
[[nodiscard]] std::string text_of(const ThawReceipt& receipt);

}  // namespace blkrewind::cli
