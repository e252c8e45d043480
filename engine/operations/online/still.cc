#include "operations/online/still.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

namespace blkrewind {
namespace {

tl::unexpected<Error> refuse_stack(std::string message, Remedy remedy) {
  return fail(Errc::kPrecondition, std::move(message), std::move(remedy));
}

std::string named(const host::MountedSuper& super) {
  return "the " + super.type + " file system on " + super.mount_point;
}

// There is no way to write to such a file system.
bool is_never_written(const host::MountedSuper& super) {
  constexpr std::array<std::string_view, 5> kTypes = {"squashfs", "iso9660", "erofs", "cramfs",
                                                      "romfs"};
  return std::ranges::find(kTypes, super.type) != kTypes.end();
}

std::string listed_nodes(const std::vector<host::DeviceNumber>& devices) {
  std::string text;
  for (const host::DeviceNumber device : devices) {
    text += (text.empty() ? "" : ", ") + host::node_path(device);
  }
  return text;
}

}  // namespace

std::vector<std::string> Still::mount_points() const {
  std::vector<std::string> names;
  for (const freeze::Held& held : file_systems) names.push_back(held.super.mount_point);
  return names;
}

Result<Still> survey(freeze::Freezer& freezer, const std::vector<host::DeviceInfo>& devices,
                     const std::vector<std::string>& own_folders) {
  BLKREWIND_ASSIGN(host::Stack stack, freezer.stack_on(devices));
  const std::string& target = devices.front().path;
  if (!stack.unknown.empty()) {
    const host::Unknown& first = stack.unknown.front();
    return refuse_stack("cannot tell who uses " + target + ": " + first.what, first.remedy);
  }
  if (!stack.partial.empty()) {
    const host::MountedSuper& super = stack.partial.front();
    return refuse_stack(named(super) + " has several devices (" + listed_nodes(super.devices) +
                            "): a snapshot of one of them is of no use",
                        "take all of them together, as a group");
  }
  Still still;
  still.others = std::move(stack.raw);
  std::vector<host::MountedSuper> freezable;
  for (host::MountedSuper& super : stack.mounted) {
    if (is_never_written(super)) continue;
    if (freeze::can_freeze(super)) {
      freezable.push_back(std::move(super));
    } else {
      still.others.push_back(
          {"mounted on " + super.mount_point + " (" + super.type + ", which cannot be frozen)",
           run_program("unmount it", "umount", {super.mount_point})});
    }
  }
  if (freezable.empty()) return still;
  std::set<host::DeviceNumber> own;
  for (const std::string& folder : own_folders) {
    BLKREWIND_ASSIGN(const auto supers, freezer.supers_below(folder));
    own.insert(supers.begin(), supers.end());
  }
  const auto stands_on = std::ranges::find_if(
      freezable, [&](const host::MountedSuper& super) { return own.contains(super.id); });
  if (stands_on != freezable.end()) {
    return refuse_stack("the store stands on " + named(*stands_on) +
                            ", which would be frozen for a snapshot of " + target,
                        Remedy("move the store to another device")
                            .or_else(run_program("unmount it, and take the snapshot offline",
                                                 "umount", {stands_on->mount_point})));
  }
  BLKREWIND_ASSIGN(still.file_systems, freezer.open(freezable));
  return still;
}

}  // namespace blkrewind
