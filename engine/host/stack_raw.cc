#include "host/stack_raw.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "base/fd.h"
#include "host/device_family.h"
#include "host/stays.h"
#include "host/writers.h"

namespace blkrewind::host {
namespace {

bool has(const std::vector<DeviceNumber>& devices, DeviceNumber device) {
  return std::find(devices.begin(), devices.end(), device) != devices.end();
}

class RawUsers {
 public:
  RawUsers(const RawSearch& search, std::vector<Unknown>& unknown)
      : search_(search), unknown_(unknown) {}

  [[nodiscard]] std::vector<UsedBy> find() {
    for (const Swap& swap : search_.swaps) add_swap(swap);
    for (const DeviceNumber device : search_.plan.nodes) add_holder(device);
    add_writer();
    return std::move(users_);
  }

 private:
  void add_swap(const Swap& swap) {
    if (!swap.visible) {
      // A device used as swap is held exclusively, which shows. A file is not.
      if (swap.is_file && !search_.plan.files.empty()) {
        unknown_.push_back(
            {"the swap file " + swap.path + " of /proc/swaps is not visible here",
             Remedy("run it outside of the container")
                 .or_else(run_program("stop swapping on it", "swapoff", {swap.path}))});
      }
      return;
    }
    const auto& files = search_.plan.files;
    const bool is_used = swap.is_file
                             ? std::find(files.begin(), files.end(), swap.file) != files.end()
                             : has(search_.plan.nodes, swap.device);
    if (is_used) {
      users_.push_back({swap.path + " is used as swap",
                        run_program("stop swapping on it", "swapoff", {swap.path})});
    }
  }

  // The mount, swap or device that claims the node; not that of a partition or of its disk.
  bool is_explained(DeviceNumber device) const {
    const auto& supers = search_.map.supers;
    const auto& swaps = search_.swaps;
    return std::any_of(supers.begin(), supers.end(),
                       [&](const MountedSuper& each) { return has(each.devices, device); }) ||
           std::any_of(swaps.begin(), swaps.end(),
                       [&](const Swap& each) { return each.visible && each.device == device; }) ||
           !search_.map.node(device).holders.empty();
  }

  // Whether an exclusive open is refused, and stays so.
  bool is_held(DeviceNumber device) {
    auto fd = open_member({.device = device, .node = node_path(device), .range = {}});
    if (!fd) {
      unknown_.push_back(
          {"whether " + node_path(device) + " is held cannot be found out: " + fd.error().message,
           fd.error().remedy});
      return false;
    }
    const std::string self = "/proc/self/fd/" + std::to_string(fd->get());
    return stays_held([&] {
      const UniqueFd exclusive(::open(self.c_str(), kLookFlags | O_EXCL));
      return !exclusive.valid() && errno == EBUSY;
    });
  }

  // The kernel refuses an exclusive open of a disk while one of its partitions is held, and of
  // each partition while the disk is (block/bdev.c, bd_may_claim). So a partition that can be
  // opened, or that is held for a known reason, shows that the disk is not.
  void add_holder(DeviceNumber device) {
    if (is_explained(device)) return;
    const BlockNode node = search_.map.node(device);
    if (node.whole != device) {
      if (is_explained(node.whole) || !is_held(device)) return;
    } else {
      for (const DeviceNumber partition : node.partitions) {
        if (is_explained(partition) || !is_held(partition)) return;
      }
      if (!is_held(device)) return;
    }
    const std::string path = node_path(device);
    users_.push_back(
        {path + " is held exclusively, and nothing that is visible is mounted from it",
         run_program("find the program that holds it and end it", "lsof", {path})
             .or_else("if a file system was unmounted lazily, end the programs that still use it")
             .or_else("run it outside of the container, where all mounts are visible")});
  }

  void add_writer() {
    Sought sought;
    sought.devices.insert(search_.plan.nodes.begin(), search_.plan.nodes.end());
    for (const DeviceNumber device : search_.target.devices) {
      for (const FamilyMember& member : device_family(device)) sought.devices.insert(member.device);
    }
    sought.files = search_.plan.files;
    if (const auto writer = find_lasting_writer(sought)) {
      users_.push_back(
          {writer->path + " is open for writing in " + writer->program + " (process " +
               std::to_string(writer->process) + ")",
           run_program("end that program, or let it close the device", "lsof", {writer->path})});
    }
  }

  const RawSearch& search_;
  std::vector<Unknown>& unknown_;
  std::vector<UsedBy> users_;
};

}  // namespace

std::vector<UsedBy> raw_users(const RawSearch& search, std::vector<Unknown>& unknown) {
  return RawUsers(search, unknown).find();
}

}  // namespace blkrewind::host
