// Thawing the file systems that a killed snapshot has left frozen.
//
// A snapshot of a mounted device freezes its file systems for a moment. Should it be killed
// meanwhile, its guard process thaws them. Only where both were killed do they stay frozen: every
// process that writes to them waits. This call needs no store.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/export.h"

namespace blkrewind {

enum class ThawOutcome : std::uint8_t {
  kThawed,
  kNotFrozen,   // it was not frozen, or another program thawed it before
  kNotMounted,  // it is not mounted any more
};

struct ThawedFileSystem {
  std::string mount_point;  // where it was mounted when it was to be frozen
  std::string type;         // "ext4"
  pid_t pid = 0;            // the process that froze it, and was killed
  ThawOutcome outcome = ThawOutcome::kThawed;
};

struct ThawReceipt {
  std::vector<ThawedFileSystem> file_systems;  // in the order in which they were thawed
};

// Thaws what killed operations have left frozen; an empty receipt if there is none. File systems
// that other programs have frozen, and those of operations that run, are left alone. kIo: a file
// system could not be thawed; all were tried. kPrecondition: the caller may not. Any thread.
[[nodiscard]] BLKREWIND_API Result<ThawReceipt> thaw_leftovers();

}  // namespace blkrewind
