#include "host/device_family.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <utility>

#include "base/remedies.h"
#include "host/loops.h"
#include "host/stays.h"

namespace blkrewind::host {
namespace {

// Empty when they have no byte in common.
Extent common(const Extent& a, const Extent& b) {
  const std::uint64_t begin = std::max(a.offset, b.offset);
  const std::uint64_t end = std::min(a.end(), b.end());
  return begin < end ? Extent{begin, end - begin} : Extent{};
}

class FamilyWalk {
 public:
  explicit FamilyWalk(DeviceNumber device) {
    visited_.insert(device);
    around(device, {0, device_size_bytes(device)});
  }

  [[nodiscard]] std::vector<FamilyMember> take() { return std::move(members_); }

 private:
  void add(DeviceNumber device, const Extent& range) {
    if (!visited_.insert(device).second) return;
    members_.push_back({device, node_path(device), range, exact_});
  }

  // `range`: a range of the device.
  void around(DeviceNumber device, const Extent& range) {
    const DeviceNumber whole = whole_disk(device);
    const Extent on_whole = {range.offset + partition_start_bytes(device), range.length};
    for (const DeviceNumber partition : partitions_of(whole)) {
      const Extent shown = {partition_start_bytes(partition), device_size_bytes(partition)};
      const Extent shared = common(on_whole, shown);
      if (!shared.empty()) add(partition, {shared.offset - shown.offset, shared.length});
    }
    add(whole, on_whole);
    if (const auto loop = loop_device(whole); loop && loop->backing_device != 0) {
      below(loop->backing_device, {loop->range.offset + on_whole.offset, on_whole.length});
    }
    // The mapping of dm and md is unknown: their slaves count as a whole.
    for (const DeviceNumber slave : slaves_of(whole)) {
      exact_ = false;
      below(slave, {0, device_size_bytes(slave)});
    }
  }

  void below(DeviceNumber device, const Extent& range) {
    if (visited_.contains(device)) return;
    add(device, range);
    around(device, range);
  }

  std::set<DeviceNumber> visited_;
  bool exact_ = true;  // of the next member
  std::vector<FamilyMember> members_;
};

// 0 if it was opened and is that device; otherwise an errno.
int open_node(const std::string& path, DeviceNumber device, UniqueFd& fd) {
  fd.reset(::open(path.c_str(), kLookFlags));
  if (!fd.valid()) return errno;
  struct stat status = {};
  if (::fstat(fd.get(), &status) == 0 && S_ISBLK(status.st_mode) && status.st_rdev == device) {
    return 0;
  }
  fd.reset();
  return ENOENT;
}

// A node in a private directory, removed as soon as it is open. Not every file system allows
// devices to be opened (nodev).
UniqueFd open_private_node(DeviceNumber device) {
  UniqueFd fd;
  for (const char* const parent : {"/dev", "/run", "/var/tmp", "/tmp"}) {
    std::string folder = std::string(parent) + "/.blkrewind-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) continue;
    const std::string node = folder + "/node";
    if (::mknod(node.c_str(), S_IFBLK | 0600, device) == 0) {
      (void)open_node(node, device, fd);
      (void)::unlink(node.c_str());
    }
    (void)::rmdir(folder.c_str());
    if (fd.valid()) break;
  }
  return fd;
}

}  // namespace

std::vector<FamilyMember> device_family(DeviceNumber device) { return FamilyWalk(device).take(); }

Result<UniqueFd> open_member(const FamilyMember& member) {
  UniqueFd fd;
  const int refused = open_node(member.node, member.device, fd);
  if (fd.valid()) return fd;
  if (UniqueFd made = open_private_node(member.device); made.valid()) return made;
  Error error = system_error(
      refused, "cannot inspect the page cache of " + member.node + ", which has the same bytes");
  error.code = Errc::kPrecondition;
  return fail(std::move(error).with_remedy(
      refused == ENOENT || refused == ENXIO
          ? run_program("make its node", "mknod",
                        {member.node, "b", std::to_string(major(member.device)),
                         std::to_string(minor(member.device))})
          : permission_remedy("run it as root, or as a user that may read " + member.node)));
}

}  // namespace blkrewind::host
