// From a folder downwards: the file systems and block devices that hold it.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "blkrewind/units.h"
#include "host/mounts.h"
#include "host/sysfs.h"

namespace blkrewind::host {

// What a descent looks for; it ends where one of them says true.
struct DescentGoal {
  // A device that holds the file system: all of its bytes count. `whole`: its disk.
  std::function<bool(DeviceNumber device, DeviceNumber whole)> is_device =
      [](DeviceNumber, DeviceNumber) { return false; };
  // Bytes of a regular file below a loop device.
  std::function<bool(const FileId& file, const Extent& range)> is_file =
      [](const FileId&, const Extent&) { return false; };
};

// One file system after another: its devices (the whole pool of btrfs, the log and the realtime
// device; the upper layer of an overlay), the disk of a partition, the slaves of dm and md, what
// backs a loop device. Only sees this process's mounts. One thread.
class Descent {
 public:
  Descent(DescentGoal goal, std::vector<Mount> mounts)
      : goal_(std::move(goal)), mounts_(std::move(mounts)) {}

  // Begins at the file system of an open file. kUnsupported, with a remedy, here and below: a part
  // of the way cannot be examined; the message is a clause that says which.
  [[nodiscard]] Status enter(const UniqueFd& fd);

  // Goes on to the end, or to the goal.
  [[nodiscard]] Result<bool> reaches_goal();

  // The super blocks on block devices that it has passed through, in this order.
  [[nodiscard]] const std::vector<DeviceNumber>& supers() const { return supers_; }

 private:
  [[nodiscard]] Status enter_mount(const Mount& mount);
  [[nodiscard]] Result<bool> visit(DeviceNumber device);
  [[nodiscard]] Result<bool> visit_backing(const struct LoopDevice& loop, const Extent& range);
  void pass(DeviceNumber super);

  DescentGoal goal_;
  std::vector<Mount> mounts_;
  std::vector<DeviceNumber> queue_;
  std::set<DeviceNumber> visited_;
  std::set<int> entered_;
  std::vector<DeviceNumber> supers_;
};

// The folder, or its nearest existing parent, by an O_PATH descriptor.
[[nodiscard]] Result<UniqueFd> open_nearest(const std::string& directory);

}  // namespace blkrewind::host
