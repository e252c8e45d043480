// Which processes hold a lock on a byte of a file.
//
// F_OFD_GETLK names none: a lock of an open file description may belong to several. They are in
// /proc/PID/fdinfo, "lock:" of proc(5), for processes that this one may inspect.
#pragma once

#include <cstdint>
#include <string>

namespace blkrewind::host {

// "fio (process 4711)", several separated by commas, this process among them; empty: none is
// visible. Searches the process table once. Any thread.
[[nodiscard]] std::string lock_holders(const std::string& path, std::uint64_t offset);

}  // namespace blkrewind::host
