// The folder that a store is to be made in.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "io/env.h"

namespace blkrewind::store {

// `error`, which came of making or listing the folder `path`, as what is wrong on the way there and
// what to do: a folder that is missing, a file or a dangling link in its place, no permission, a
// read-only file system. Other errors stay as they are.
[[nodiscard]] Error explain_folder(io::Env& env, const std::string& path, Error error);

// The same of opening the store in `path`, where what may only be read is no fault. kNotFound:
// there is nothing on the way there, or nothing at its end.
[[nodiscard]] Error explain_opening(io::Env& env, const std::string& path, Error error);

}  // namespace blkrewind::store
