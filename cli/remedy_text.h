// A remedy in the words of the command line, and as JSON.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "blkrewind/remedy.h"
#include "cli/json.h"

namespace blkrewind::cli {

// A path, an id or a name as a shell and blkrewind take it back: quoted only when it has to be, and
// never to be mistaken for an option ("-a b" becomes './-a b').
[[nodiscard]] std::string shell_word(std::string_view text);

// What to type for one step: "blkrewind OPTION resume /dev/vdb", "umount /mnt"; only options for
// kRepeat, empty for kAdvice. `store_option`: "--store DIR", or empty. A value that the caller
// chooses is its name in capitals.
[[nodiscard]] std::string command_of(const RemedyStep& step, const std::string& store_option);

// What to type for all steps, one after the other: "partx -d /dev/vdb; partx -a /dev/vdb".
[[nodiscard]] std::string commands_of(const Remedy& remedy, const std::string& store_option);

// Reason, texts and commands in one sentence; empty for an empty remedy.
[[nodiscard]] std::string remedy_text(const Remedy& remedy, const std::string& store_option);

// {"reason", "steps": [{"verb", "link", "text", "arguments"}]}; null for an empty one. The first
// step has no link. `arguments` is an object: flags are true, a value that the caller chooses is
// null. A step of another program has "command" instead, an array of its words.
[[nodiscard]] Json remedy_json(const Remedy& remedy);

}  // namespace blkrewind::cli
