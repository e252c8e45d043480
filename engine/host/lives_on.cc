#include "host/lives_on.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "host/descent.h"
#include "host/loops.h"
#include "host/mounts.h"
#include "host/sysfs.h"

namespace blkrewind::host {
namespace {

// The target and the devices below it, which are rewritten with it.
Result<std::set<DeviceNumber>> rewritten_with(const DeviceInfo& target) {
  std::set<DeviceNumber> rewritten;
  if (target.kind != DeviceKind::kBlock) return rewritten;
  DeviceNumber device = makedev(target.major, target.minor);
  while (rewritten.insert(device).second) {
    BLKREWIND_ASSIGN(const DeviceNumber whole, ask_whole_disk(device));
    BLKREWIND_ASSIGN(const auto loop, ask_loop_device(whole));
    if (!loop || loop->backing_device == 0) {
      break;
    }
    device = loop->backing_device;
  }
  return rewritten;
}

// True when one of the rewritten devices, or one of their bytes, is reached.
DescentGoal goal_of(const DeviceInfo& target, const std::set<DeviceNumber>& rewritten) {
  DescentGoal goal;
  goal.is_device = [&rewritten](DeviceNumber device, DeviceNumber whole) {
    return rewritten.contains(device) || rewritten.contains(whole) ||
           std::any_of(rewritten.begin(), rewritten.end(),
                       [device](DeviceNumber each) { return whole_disk(each) == device; });
  };
  goal.is_file = [&target](const FileId& file, const Extent& range) {
    const Extent bytes = {target.identity.backing_offset, target.size_bytes};
    return file == target.identity.backing_id &&
           (target.kind == DeviceKind::kFile || ranges_overlap(bytes, range));
  };
  return goal;
}

}  // namespace

Result<bool> lives_on(const std::string& directory, const DeviceInfo& device) {
  // A file system reaches an image file only through a user that has it open, and then the image is
  // not free.
  if (device.kind == DeviceKind::kFile && device.used_by.empty() && device.unknown.empty()) {
    return false;
  }
  BLKREWIND_ASSIGN(const UniqueFd fd, open_nearest(directory));
  BLKREWIND_ASSIGN(std::vector<Mount> mounts, read_mounts());
  auto answer = [&]() -> Result<bool> {
    BLKREWIND_ASSIGN(const auto rewritten, rewritten_with(device));
    Descent descent(goal_of(device, rewritten), std::move(mounts));
    BLKREWIND_TRY(descent.enter(fd));
    return descent.reaches_goal();
  }();
  if (answer || answer.error().code != Errc::kUnsupported) return answer;
  return fail(Errc::kPrecondition,
              "cannot tell whether " + directory + " lives on " + device.path + ": " +
                  answer.error().message,
              answer.error().remedy);
}

}  // namespace blkrewind::host
