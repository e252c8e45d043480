// Reflink clones: files that share every byte with another one, and that no process can change.
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

// Whether the location of an extent identifies its content on this file system: XFS and btrfs.
// Others may support reflink too, but report locations that are ambiguous between several disks.
// Not for files on a realtime device of XFS, whose locations have a separate numbering.
[[nodiscard]] Result<bool> places_are_unique(int fd);

// A file without a name in that directory, mode 0600; it disappears with its descriptor, also after
// a power cut, unless it is given a name. The descriptor is read-only, and so is every other one.
// `source`: the file to clone, in its current state including dirty pages; -1: an empty file.
// Errors: kUnsupported - the file system has no reflink; kNoSpace, kIo.
[[nodiscard]] Result<UniqueFd> make_unnamed(int directory, int source);

// Errors: kAlreadyExists - the name exists.
[[nodiscard]] Status give_name(int fd, int directory, const std::string& name);

// Sets the immutable flag (FS_IMMUTABLE_FL): no process can write to, rename, link or remove the
// file, nor set its times and attributes. Durable after an fsync.
[[nodiscard]] Result<bool> is_immutable(int fd);
[[nodiscard]] Status set_immutable(int fd, bool on);

// Also removes an immutable file; a missing file is not an error. Durable after an fsync of the
// directory.
[[nodiscard]] Status remove_immutable(int directory, const std::string& name);

// Differs when an inode number is reused for another file.
[[nodiscard]] Result<std::uint32_t> generation_of(int fd);

// An extended attribute of at most 4 KiB; empty: there is none, or it is longer.
[[nodiscard]] std::optional<std::string> read_xattr(int fd, const std::string& name);
[[nodiscard]] Status write_xattr(int fd, const std::string& name, const std::string& value);

[[nodiscard]] Status sync(int fd, const std::string& what);

}  // namespace blkrewind::track
