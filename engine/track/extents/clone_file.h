// Reflink clones: files that share every byte with another one, and that nobody can change.
//
// All of it needs root (CAP_LINUX_IMMUTABLE). Any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "blkrewind/error.h"

namespace blkrewind::track {

// Whether an extent's place says on this file system what its bytes are: XFS and btrfs. Others may
// have reflink too, but give places that mean something else on each of several disks.
// Not for files on a realtime device of XFS: its places have numbers of their own.
[[nodiscard]] Result<bool> places_are_unique(int fd);

// A file without a name in that directory, mode 0600; it goes with its descriptor, also when the
// power fails, unless it is given a name. The descriptor cannot write: nobody's can. `source`: what
// it is a clone of, as the file is now, dirty pages and all; -1: an empty file.
// Errors: kUnsupported - the file system has no reflink; kNoSpace, kIo.
[[nodiscard]] Result<UniqueFd> make_unnamed(int directory, int source);

// Errors: kAlreadyExists - the name is taken.
[[nodiscard]] Status give_name(int fd, int directory, const std::string& name);

// Immutable (FS_IMMUTABLE_FL): nobody can write, rename, link or remove it, nor set its times and
// attributes. Durable after an fsync.
[[nodiscard]] Result<bool> is_immutable(int fd);
[[nodiscard]] Status set_immutable(int fd, bool on);

// An immutable file too; one that is not there is fine. Durable after an fsync of the directory.
[[nodiscard]] Status remove_immutable(int directory, const std::string& name);

// Changes when an inode number is used again for another file.
[[nodiscard]] Result<std::uint32_t> generation_of(int fd);

// An extended attribute of at most 4 KiB; nothing: there is none, or it is longer.
[[nodiscard]] std::optional<std::string> read_xattr(int fd, const std::string& name);
[[nodiscard]] Status write_xattr(int fd, const std::string& name, const std::string& value);

[[nodiscard]] Status sync(int fd, const std::string& what);

}  // namespace blkrewind::track
