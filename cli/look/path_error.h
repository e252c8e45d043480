// What the kernel says of paths in a file system, as errors.
#pragma once

#include <string>

#include "blkrewind/error.h"

namespace blkrewind::cli {

// Of a system call that looks up, opens or reads a path. kNotFound: there is no such file;
// kInvalidArgument: no file can have this path; otherwise system_error().
[[nodiscard]] Error path_error(int sys_errno, std::string message);

// Whether the device below failed, or what is on it is damaged.
[[nodiscard]] bool is_of_the_device(const Error& error);

}  // namespace blkrewind::cli
