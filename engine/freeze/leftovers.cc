#include "freeze/leftovers.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/remedies.h"
#include "freeze/super_block.h"
#include "host/sysfs.h"

namespace blkrewind::freeze {
namespace {

constexpr std::size_t kMaxStateFileBytes = std::size_t{1} << 20;

std::string read_state_file(int fd) {
  std::string text;
  std::array<char, 4096> part{};
  while (text.size() < kMaxStateFileBytes) {
    const ssize_t got = ::read(fd, part.data(), part.size());
    if (got <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  return {};
}

Result<ThawOutcome> thaw_one(const FrozenSuper& frozen) {
  const auto fd = find_super(frozen.super, frozen.id);
  if (!fd && fd.error().code == Errc::kNotFound) return ThawOutcome::kNotMounted;
  if (!fd) return fail(fd.error());
  if (::ioctl(fd->get(), FITHAW, 0) == 0) return ThawOutcome::kThawed;
  if (errno == EINVAL) return ThawOutcome::kNotFrozen;
  return fail(
      system_error(errno, "cannot thaw " + frozen.super.mount_point)
          .with_remedy(run_program("thaw it", "fsfreeze --unfreeze " + frozen.super.mount_point)));
}

}  // namespace

Result<std::vector<Leftover>> find_leftovers(const std::string& folder) {
  std::vector<Leftover> leftovers;
  const UniqueFd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory.valid()) {
    if (errno == ENOENT) return leftovers;
    Error error = system_error(errno, "cannot open " + folder);
    error.code = Errc::kPrecondition;
    return fail(std::move(error).with_remedy(permission_remedy("run it as root")));
  }
  struct stat status {};
  if (::fstat(directory.get(), &status) != 0 || status.st_uid != ::geteuid() ||
      (status.st_mode & 077) != 0) {
    return fail(Errc::kPrecondition, folder + " is not this user's alone",
                permission_remedy("run it as root"));
  }
  const Moment now = moment_now();
  for (const std::string& name : host::list_names(folder)) {
    if (!is_state_file_name(name)) continue;
    Leftover leftover;
    leftover.name = name;
    leftover.file = UniqueFd(
        ::openat(directory.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!leftover.file.valid()) continue;
    if (::flock(leftover.file.get(), LOCK_EX | LOCK_NB) != 0) continue;
    // Another process may have thawed it before the lock.
    if (::fstat(leftover.file.get(), &status) != 0 || status.st_nlink == 0) continue;
    auto record = parse_record(read_state_file(leftover.file.get()));
    if (!record) log::warning("removes " + folder + "/" + name + ": it is damaged");
    if (!record || record->boot_id != now.boot_id) {
      ::unlinkat(directory.get(), name.c_str(), 0);
      continue;
    }
    leftover.record = std::move(*record);
    leftovers.push_back(std::move(leftover));
  }
  return leftovers;
}

Result<ThawReceipt> thaw_leftovers(const std::string& folder) {
  BLKREWIND_ASSIGN(auto leftovers, find_leftovers(folder));
  ThawReceipt receipt;
  Status failed;
  for (const Leftover& leftover : leftovers) {
    bool all_thawed = true;
    for (auto frozen = leftover.record.supers.rbegin(); frozen != leftover.record.supers.rend();
         ++frozen) {
      auto outcome = thaw_one(*frozen);
      if (outcome) {
        receipt.file_systems.push_back(
            {frozen->super.mount_point, frozen->super.type, leftover.record.pid, *outcome});
        continue;
      }
      all_thawed = false;
      if (failed) failed = fail(std::move(outcome).error());
    }
    if (all_thawed) ::unlink((folder + "/" + leftover.name).c_str());
  }
  if (!failed) return fail(std::move(failed).error());
  return receipt;
}

}  // namespace blkrewind::freeze
