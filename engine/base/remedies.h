// Remedies that several folders say.
#pragma once

#include <string>

#include "blkrewind/remedy.h"

namespace blkrewind {

// Where to look: what the store knows of `target` (a path or a disk id), or of everything.
[[nodiscard]] Remedy look_into_list(std::string text, const std::string& target = {});

// Out of an interrupted rollback of the device at `target`; `with_undo`: it can be taken back.
[[nodiscard]] Remedy ways_out(const std::string& target, bool with_undo);

// To one file of the store that is missing or damaged.
[[nodiscard]] Remedy restore_file(const std::string& text);

// Where the kernel does not permit something: `for_others` to a process that is not root, which may
// become it; root is told what refuses root.
[[nodiscard]] Remedy permission_remedy(const std::string& for_others);

// For EMFILE and ENFILE.
[[nodiscard]] Remedy raise_open_files();

}  // namespace blkrewind
