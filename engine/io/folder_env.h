// The real machine, with the names below one directory resolved by io::Folder.
#pragma once

#include <memory>
#include <string>

#include "io/env.h"

namespace blkrewind::io {

// `env` handles everything that is not below `folder`; it must outlive the result. Errors:
// Folder::open's.
[[nodiscard]] Result<std::unique_ptr<Env>> make_folder_env(Env& env, const std::string& folder);

}  // namespace blkrewind::io
