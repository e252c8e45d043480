// The directory in which a store is to be created.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "io/env.h"

namespace blkrewind::store {

// Explains `error`, the result of creating or listing the directory `path`, with the cause and a
// remedy: a missing directory, a file or a dangling link in its place, no permission, a read-only
// file system. Other errors are returned unchanged.
[[nodiscard]] Error explain_folder(io::Env& env, const std::string& path, Error error);

// Where there is no store.
[[nodiscard]] Remedy name_a_store();

// The same for opening the store in `path`, where read-only access is not an error. kNotFound: a
// directory of the path does not exist, or there is no store.
[[nodiscard]] Error explain_opening(io::Env& env, const std::string& path, Error error);

}  // namespace blkrewind::store
