// Copies files out of a file system that may be hostile: no link in it leads out of it, and nothing
// that exists is written to.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "blkrewind/error.h"

namespace blkrewind::cli {

struct CopyReceipt {
  std::uint64_t files = 0;
  std::uint64_t folders = 0;
  std::uint64_t links = 0;
  std::uint64_t bytes = 0;     // of files
  std::uint64_t left_out = 0;  // devices, pipes and sockets
  std::uint64_t failed = 0;    // files and folders that could not be read in full
  std::optional<Error> first_failure;
};

struct CopyOptions {
  const std::atomic<bool>* cancel = nullptr;
  // Called for each one that is left out or could not be read.
  std::function<void(const std::string&)> warn = [](const std::string&) {};
  // What the caller knows of an error of what is copied: called at once.
  std::function<Error(Error)> explain = [](Error error) { return error; };
};

// Copies the file or folder `path`, as seen from the folder `root` (any descriptor of it), to the
// new name `to`: with permissions (without set-user-id, set-group-id and sticky bits), times and
// holes; symbolic links below `path` as links. What is made belongs to the caller. A file in a
// folder that cannot be read is left out, and the rest is copied: see `failed`. kAlreadyExists:
// `to` is there. kNotFound: `path` is not. A file has its name only when it is complete, with
// permissions and times; see PartialFile. After other errors, and where the process is killed, a
// part of a folder may be there.
[[nodiscard]] Result<CopyReceipt> copy_out(int root, const std::string& path, const std::string& to,
                                           const CopyOptions& options = {});

// Writes the content of the file `path` to the descriptor `to`.
[[nodiscard]] Result<CopyReceipt> write_out(int root, const std::string& path, int to,
                                            const CopyOptions& options = {});

}  // namespace blkrewind::cli
