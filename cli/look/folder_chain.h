// Walks through trees of folders of any depth, with few descriptors and without recursion.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "cli/owned_fd.h"

namespace blkrewind::cli {

// The folders from the first one that a walk entered to where it is. The deepest kMostOpen are
// open; those above are opened again by "..", and must be the same folders as before.
class FolderChain {
 public:
  static constexpr std::size_t kMostOpen = 32;

  // -1 before the first enter(). Valid until the next enter() or leave().
  [[nodiscard]] int descriptor() const {
    return levels_.empty() ? -1 : levels_.back().folder.get();
  }
  // `folder` is in descriptor(), or the first.
  [[nodiscard]] Status enter(OwnedFd folder);
  // Back to the folder above; returns the one that was left.
  [[nodiscard]] Result<OwnedFd> leave();

 private:
  struct Level {
    OwnedFd folder;
    dev_t device = 0;
    ino_t number = 0;
  };
  std::vector<Level> levels_;
};

// Adds the names in a folder, without "." and "..". Returns 0, or an errno: then not all of them.
[[nodiscard]] int names_in(int folder, std::vector<std::string>& names);

}  // namespace blkrewind::cli
