// Words of a command line that a shell reads.
#pragma once

#include <string>
#include <string_view>

namespace blkrewind {

// A path or a name as a shell takes it back: quoted only when it has to be, and never to be
// mistaken for an option ("-a b" becomes './-a b').
[[nodiscard]] std::string shell_word(std::string_view text);

}  // namespace blkrewind
