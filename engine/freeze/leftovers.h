// What operations have left frozen that were killed together with their guard.
//
// Whether a file system is frozen, and by whom, cannot be asked of the kernel. What is known: an
// operation of this boot was about to freeze these, and neither it nor its guard lives. If somebody
// has thawed one by hand since and another program froze it, thawing ends the other program's
// freeze. Nothing else that is frozen is touched.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "blkrewind/thaw.h"
#include "freeze/state_file.h"

namespace blkrewind::freeze {

struct Leftover {
  std::string name;  // of its file
  UniqueFd file;     // locked exclusively, so that one process at a time thaws it
  FreezeRecord record;
};

// Those of this boot. The files of earlier boots, and files that are damaged, are removed: none
// of what they name can be frozen, or be known. An empty list where there is no folder. Any thread.
[[nodiscard]] Result<std::vector<Leftover>> find_leftovers(
    const std::string& folder = kStateFolder);

// Thaws each in the reverse of the order in which it was frozen, and removes its file unless a file
// system of it could not be thawed; the error of the first such one is that of the call, after all
// were tried.
[[nodiscard]] Result<ThawReceipt> thaw_leftovers(const std::string& folder = kStateFolder);

}  // namespace blkrewind::freeze
