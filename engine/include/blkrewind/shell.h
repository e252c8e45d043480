// Words of a command line, for hints and receipts that a user may type again.
//
// Hints name commands as "blkrewind COMMAND ARGUMENT...", every argument that is not known to be
// plain through shell_word(). A front end may insert its own options after "blkrewind".
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "blkrewind/export.h"

namespace blkrewind {

// A path, an id or a name as a shell and blkrewind take it back: quoted only when it has to be, and
// never to be mistaken for an option ("-a b" becomes './-a b').
[[nodiscard]] BLKREWIND_API std::string shell_word(std::string_view text);

}  // namespace blkrewind
