// Opening a file of a store that must be there.
#pragma once

#include <memory>
#include <string>

#include "io/env.h"

namespace blkrewind::store {

// Something else than a file in its place (a folder, a socket) is damage to the store and no
// mistake of the caller's, who did not name it: kIntegrity. Other errors are Env::open's.
[[nodiscard]] inline Result<std::unique_ptr<io::File>> open_store_file(
    io::Env& env, const std::string& path, const io::OpenOptions& options) {
  auto file = env.open(path, options);
  if (file || file.error().code != Errc::kInvalidArgument) return file;
  return fail(Errc::kIntegrity, "the store is damaged: " + path + " is not a file",
              "move away what stands in its place and bring the file back from a backup");
}

}  // namespace blkrewind::store
