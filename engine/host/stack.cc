#include "host/stack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"
#include "host/loops.h"
#include "host/mount_views.h"
#include "host/mounts.h"
#include "host/stack_graph.h"
#include "host/stack_raw.h"
#include "host/stays.h"
#include "host/supers.h"
#include "host/writers.h"

namespace blkrewind::host {
namespace {

class StackSurvey {
 public:
  [[nodiscard]] Status read() {
    BLKREWIND_ASSIGN(views_, read_mount_views());
    (void)known(ask_loop_devices(), map_.loops);
    (void)known(read_swaps(), swaps_);
    supers_ = list_supers(views_);
    for (const Super& super : supers_) map_.supers.push_back(super.mounted);
    for (const LoopDevice& loop : map_.loops) {
      if (!loop.backing_known || loop.backing_device != 0) continue;
      if (const auto host = host_of(loop)) {
        map_.host_of_loop[loop.device] = *host;
      } else {
        homeless_.push_back(loop);
      }
    }
    map_.node = [this](DeviceNumber device) { return node(device); };
    return {};
  }

  [[nodiscard]] Stack stack_on(const std::vector<DeviceInfo>& devices) {
    StackTarget target;
    for (const DeviceInfo& info : devices) {
      if (info.kind == DeviceKind::kBlock) {
        target.devices.push_back(makedev(info.major, info.minor));
      } else {
        target.files.push_back(info.identity.backing_id);
      }
    }
    const StackPlan plan = plan_stack(map_, target);
    for (const std::size_t index : plan.mounted) stack_.mounted.push_back(shown(supers_[index]));
    for (const std::size_t index : plan.partial) {
      const DeviceNumber id = supers_[index].mounted.id;
      stack_.partial.push_back(
          *std::find_if(stack_.mounted.begin(), stack_.mounted.end(),
                        [id](const MountedSuper& each) { return each.id == id; }));
    }
    stack_.raw =
        raw_users({.map = map_, .target = target, .plan = plan, .swaps = swaps_}, stack_.unknown);
    for (const DeviceInfo& info : devices) {
      if (info.kind == DeviceKind::kFile && stack_.raw.empty()) add_hidden_writer(info);
    }
    add_unknown_loops(plan);
    return std::move(stack_);
  }

 private:
  void unknown(std::string what, Remedy remedy) {
    const auto same = [&](const Unknown& each) { return each.what == what; };
    if (std::none_of(stack_.unknown.begin(), stack_.unknown.end(), same)) {
      stack_.unknown.push_back({std::move(what), std::move(remedy)});
    }
  }

  template <class T>
  bool known(Result<T> answer, T& value) {
    if (answer) {
      value = *std::move(answer);
      return true;
    }
    unknown(std::move(answer.error().message), std::move(answer.error().remedy));
    return false;
  }

  BlockNode node(DeviceNumber device) {
    if (const auto found = nodes_.find(device); found != nodes_.end()) return found->second;
    BlockNode node;
    node.whole = device;
    (void)known(ask_whole_disk(device), node.whole);
    node.start_bytes = partition_start_bytes(device);
    node.size_bytes = device_size_bytes(device);
    if (node.whole == device) (void)known(ask_partitions(device), node.partitions);
    (void)known(ask_holders(device), node.holders);
    (void)known(ask_slaves(device), node.slaves);
    return nodes_.emplace(device, std::move(node)).first->second;
  }

  // The super block below an open file: for one on an overlay, that of the upper layer, where what
  // is written to it goes.
  static std::optional<DeviceNumber> host_below(const UniqueFd& fd, const MountView& view,
                                                int layers = 0) {
    constexpr int kOverlaysMax = 8;
    const int id = mount_id_of(fd);
    for (const Mount& mount : view.mounts) {
      if (mount.id != id) continue;
      if (mount.type != "overlay") return mount.device;
      const std::string upper = option_value(mount.super_options, "upperdir");
      if (upper.empty()) return mount.device;  // nothing is written to it
      const UniqueFd below = locate(view.seen_by, upper);
      return below.valid() && layers < kOverlaysMax ? host_below(below, view, layers + 1)
                                                    : std::nullopt;
    }
    return std::nullopt;
  }

  // The driver tells the file's device number as stat(2) does: of btrfs it is the subvolume's, on
  // an overlay it may be anything. Then the file is looked for under the name that it had.
  std::optional<DeviceNumber> host_of(const LoopDevice& loop) const {
    if (major(loop.backing.device) != 0) return loop.backing.device;
    for (const MountView& view : views_) {
      const UniqueFd file = locate(view.seen_by, loop.backing_file);
      struct stat status {};
      if (!file.valid() || ::fstat(file.get(), &status) != 0 ||
          FileId{.device = status.st_dev, .inode = status.st_ino} != loop.backing) {
        continue;
      }
      if (const auto host = host_below(file, view)) return host;
    }
    for (const MountView& view : views_) {
      for (const Mount& mount : view.mounts) {
        // tmpfs and the like: one number for all of it.
        if (mount.device == loop.backing.device && mount.type != "overlay") return mount.device;
      }
    }
    return std::nullopt;
  }

  // At a place where it can be opened, if there is one.
  MountedSuper shown(const Super& super) {
    MountedSuper mounted = super.mounted;
    for (const Super::Place& place : super.places) {
      if (!open_at(mounted.id, place).valid()) continue;
      mounted.seen_by = place.seen_by;
      mounted.mount_point = place.mount_point;
      break;
    }
    for (const std::string& name : super.unseen) {
      unknown("which device is " + name + " of the file system on " + mounted.mount_point +
                  " cannot be found out: its node is not here",
              "make its node in /dev, or run it outside of the container");
    }
    return mounted;
  }

  // The kernel grants no lease while another process, also one that is not visible here, has the
  // file open for writing. A loop device over it has it open as well, and is looked at by itself.
  void add_hidden_writer(const DeviceInfo& info) {
    const FileId id = info.identity.backing_id;
    const auto is_on_it = [&](const LoopDevice& loop) {
      return loop.backing_known && loop.backing_device == 0 && loop.backing == id;
    };
    if (std::any_of(map_.loops.begin(), map_.loops.end(), is_on_it)) return;
    const UniqueFd fd(open_past_leases(info.real_path, kLookFlags));
    struct stat status {};
    if (!fd.valid() || ::fstat(fd.get(), &status) != 0 ||
        FileId{.device = status.st_dev, .inode = status.st_ino} != id) {
      unknown("whether " + info.path + " is open for writing cannot be found out: it was moved",
              "see what it is now, then try again");
      return;
    }
    if (open_for_writing_elsewhere(fd.get()) == Answer::kYes) {
      stack_.raw.push_back(
          {info.path +
               " is open for writing in a process that is not visible here, or in the kernel",
           run_program("look for it as root outside of containers", "lsof", {info.real_path})
               .and_then("look for NFS and iSCSI services that serve it")});
    }
  }

  void add_unknown_loops(const StackPlan& plan) {
    for (const LoopDevice& loop : map_.loops) {
      const auto& nodes = plan.nodes;
      if (loop.backing_known || std::find(nodes.begin(), nodes.end(), loop.device) != nodes.end()) {
        continue;
      }
      unknown("what " + loop.node +
                  " is backed by cannot be queried: its node is not here, or may not be opened",
              run_program("make the node", "mknod",
                          {loop.node, "b", std::to_string(major(loop.device)),
                           std::to_string(minor(loop.device))})
                  .or_else("run it as root outside of the container"));
    }
    const bool has_subvolumes =
        std::any_of(stack_.mounted.begin(), stack_.mounted.end(),
                    [](const MountedSuper& each) { return major(each.id) == 0; });
    const bool has_overlays = std::any_of(views_.begin(), views_.end(), [](const MountView& view) {
      return std::any_of(view.mounts.begin(), view.mounts.end(),
                         [](const Mount& mount) { return mount.type == "overlay"; });
    });
    if (!has_subvolumes && (stack_.mounted.empty() || !has_overlays)) return;
    for (const LoopDevice& loop : homeless_) {
      unknown("which file system holds " + loop.backing_file + ", the file below " + loop.node +
                  ", cannot be found out: it was removed, or is not visible here",
              run_program("detach it", "losetup -d", {loop.node})
                  .or_else("run it outside of the container"));
    }
  }

  std::vector<MountView> views_;
  std::vector<Super> supers_;
  std::vector<Swap> swaps_;
  std::vector<LoopDevice> homeless_;  // of a file whose super block is not known
  std::map<DeviceNumber, BlockNode> nodes_;
  StackMap map_;
  Stack stack_;
};

}  // namespace

Result<Stack> stack_on(const std::vector<DeviceInfo>& devices) {
  StackSurvey survey;
  BLKREWIND_TRY(survey.read());
  return survey.stack_on(devices);
}

}  // namespace blkrewind::host
