// Opens a file of a store that must exist.
#pragma once

#include <memory>
#include <string>

#include "io/env.h"

namespace blkrewind::store {

// If something else is in its place (a directory, a socket), the store is damaged; it is not a
// mistake of the caller, who did not name it: kIntegrity. Other errors are Env::open's.
[[nodiscard]] inline Result<std::unique_ptr<io::File>> open_store_file(
    io::Env& env, const std::string& path, const io::OpenOptions& options) {
  auto file = env.open(path, options);
  if (file || file.error().code != Errc::kInvalidArgument) return file;
  return fail(Errc::kIntegrity, "the store is damaged: " + path + " is not a file",
              "move away what stands in its place and bring the file back from a backup");
}

}  // namespace blkrewind::store
