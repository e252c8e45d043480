// Whether a folder can be what the snapshots of a store are mounted on.
#pragma once

#include <string>

#include "blkrewind/error.h"

namespace blkrewind::cli {

// The absolute path of `folder`, without links. kNotFound, kInvalidArgument: it is not a folder;
// kPrecondition: it is inside the store, which nothing but snapshots is written to, or the store is
// inside of it and could not be found any more; or a mount of this program is on it, or one whose
// process has ended.
[[nodiscard]] Result<std::string> check_mount_point(const std::string& folder,
                                                    const std::string& store);

}  // namespace blkrewind::cli
