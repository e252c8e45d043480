// The file that says what an operation may have frozen, for `blkrewind thaw` after both the
// operation and its guard were killed.
//
// It is written before anything is frozen, and not afterwards. Both processes hold a shared lock
// (flock(2)) on it as long as they live: one that can be locked exclusively is a leftover. It has
// its name only after it was locked and written.
//
//     blkrewind-freeze 1
//     boot 1b4e28ba-2fa1-11d2-883f-b9a761bde3fb
//     pid 4711
//     super 7:0 ext4 00000000a3b1c2d4 0 /srv/data
//     end
//
// `super`: device number, type, id (super_block.h), the process in whose mount namespace the mount
// point is (0: the operation's), mount point; in the order in which they are frozen. Blanks,
// control characters and backslashes are written as in mountinfo, \040.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "host/stack.h"

namespace blkrewind::freeze {

inline constexpr const char* kStateFolder = "/run/blkrewind/frozen";

struct FrozenSuper {
  host::MountedSuper super;  // without its devices
  std::string id;
};

struct FreezeRecord {
  std::string boot_id;
  pid_t pid = 0;
  std::vector<FrozenSuper> supers;
};

[[nodiscard]] std::string to_text(const FreezeRecord& record);
// kIntegrity: it is not such a text, or not all of it.
[[nodiscard]] Result<FreezeRecord> parse_record(std::string_view text);

// Creates the folders that are missing, 0700 the last. kPrecondition, with a remedy: it cannot be
// created, or is not this user's alone.
[[nodiscard]] Result<UniqueFd> open_state_folder(const std::string& folder = kStateFolder);

struct StateFile {
  UniqueFd file;  // with the lock
  std::string name;
};

// kIo and others, with a remedy: the folder cannot be written to.
[[nodiscard]] Result<StateFile> write_state_file(int folder, const FreezeRecord& record);

// The names of such files in the folder.
[[nodiscard]] bool is_state_file_name(std::string_view name);

}  // namespace blkrewind::freeze
