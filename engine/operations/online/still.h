// Who has to hold still while the last of a device in use is read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "freeze/freezer.h"
#include "host/stack.h"

namespace blkrewind {

struct Still {
  // In the order in which they are frozen.
  std::vector<freeze::Held> file_systems;
  // Users that cannot be frozen, as in UsedBy: a snapshot beside them is quiet at best.
  std::vector<host::UsedBy> others;

  [[nodiscard]] bool unused() const { return file_systems.empty() && others.empty(); }
  [[nodiscard]] std::vector<std::string> mount_points() const;
};

// As it is now. kPrecondition, with a remedy: a file system has other devices as well, a part of
// which would be no snapshot of it; a folder that this operation writes to (`own_folders`: of the
// store) stands on a file system that would be frozen; or it cannot be told who uses the devices.
[[nodiscard]] Result<Still> survey(freeze::Freezer& freezer,
                                   const std::vector<host::DeviceInfo>& devices,
                                   const std::vector<std::string>& own_folders);

}  // namespace blkrewind
