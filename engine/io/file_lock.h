// Advisory locks of the real machine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.h"
#include "io/env.h"

namespace blkrewind::io {

// Locks one byte of an existing file by an open file description lock (F_OFD_SETLK, fcntl(2)) on a
// descriptor of its own: two locks in one process exclude each other, and closing another
// descriptor of the file does not release it, as it would with POSIX locks. `wait` false: nullptr
// if there is a conflicting lock; true: kBusy if that lasts for half a minute. An exclusive lock
// needs write access to the file, a shared one read access.
[[nodiscard]] Result<std::unique_ptr<Lock>> lock_byte(const std::string& path, std::uint64_t offset,
                                                      LockMode mode, bool wait);

// The same on a descriptor that is used for nothing else; `path` is for messages.
[[nodiscard]] Result<std::unique_ptr<Lock>> lock_byte(UniqueFd fd, const std::string& path,
                                                      std::uint64_t offset, LockMode mode,
                                                      bool wait);

// Whether any process, including this one, holds that byte exclusively; F_OFD_GETLK.
[[nodiscard]] Result<bool> byte_is_locked(const std::string& path, std::uint64_t offset);
[[nodiscard]] Result<bool> byte_is_locked(int fd, const std::string& path, std::uint64_t offset);

}  // namespace blkrewind::io
