// Whether a file system is this machine's alone. On one that other machines may have mounted,
// memory that is mapped from a file is not shared with them.
//
// Pure, or one statfs(2); any thread.
#pragma once

#include <cstdint>
#include <string>

namespace blkrewind::host {

// `type`: f_type of statfs(2). True only for types that are known to be local: network and cluster
// file systems are many, and FUSE hides which one is behind it.
[[nodiscard]] bool is_local_file_system(std::uint64_t type);

// Of the file system that `path` is on. False also if that cannot be determined.
[[nodiscard]] bool is_on_local_file_system(const std::string& path);

}  // namespace blkrewind::host
