// The real machine with the names beneath one folder taken through io::Folder.
#pragma once

#include <memory>
#include <string>

#include "io/env.h"

namespace blkrewind::io {

// `env`: everything that does not lie beneath `folder` goes there; it must outlive the result.
// Errors: Folder::open's.
[[nodiscard]] Result<std::unique_ptr<Env>> make_folder_env(Env& env, const std::string& folder);

}  // namespace blkrewind::io
