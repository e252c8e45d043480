#include "cli/look/file_system_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <vector>

namespace blkrewind::cli {
namespace {

// What a file system type is mounted with besides "ro": the first that the kernel accepts. The
// device cannot be written to, so where a journal would have to be replayed it wants to be told
// not to.
struct Ways {
  const char* type;
  const char* kernel_type;
  std::array<const char*, 2> options;  // null: there is no second way
};
constexpr std::array kWays = {
    Ways{"ext2", "ext4", {"", nullptr}},
    Ways{"ext3", "ext4", {"", "noload"}},
    Ways{"ext4", "ext4", {"", "noload"}},
    // The disk itself may be mounted beside its snapshot, which has the same UUID.
    Ways{"xfs", "xfs", {"nouuid", "norecovery,nouuid"}},
    Ways{"btrfs", "btrfs", {"", "rescue=nologreplay"}},
    Ways{"f2fs", "f2fs", {"", "norecovery"}},
    Ways{"ntfs", "ntfs3", {"", nullptr}},
};

// What the kernel says of an attempt, where it does: one message a line.
std::string said_by(int context) {
  std::string text;
  std::array<char, 1024> line{};
  for (int i = 0; i < 16; ++i) {
    const ssize_t length = ::read(context, line.data(), line.size());
    if (length <= 2) break;
    text += (text.empty() ? "" : "; ") +
            std::string(line.data() + 2, static_cast<std::size_t>(length) - 2);
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

struct Attempt {
  OwnedFd root;
  int error = 0;
  std::string said;
};

Attempt attempt(const std::string& device, const std::string& type, const std::string& options) {
  Attempt made;
  const OwnedFd context(fsopen(type.c_str(), FSOPEN_CLOEXEC));
  if (!context.valid()) {
    made.error = errno;
    return made;
  }
  bool right = fsconfig(context.get(), FSCONFIG_SET_STRING, "source", device.c_str(), 0) == 0 &&
               fsconfig(context.get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0) == 0;
  std::istringstream words(options);
  for (std::string word; right && std::getline(words, word, ',');) {
    const std::size_t equals = word.find('=');
    right = equals == std::string::npos
                ? fsconfig(context.get(), FSCONFIG_SET_FLAG, word.c_str(), nullptr, 0) == 0
                : fsconfig(context.get(), FSCONFIG_SET_STRING, word.substr(0, equals).c_str(),
                           word.c_str() + equals + 1, 0) == 0;
  }
  right = right && fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
  if (right) {
    made.root.reset(fsmount(context.get(), FSMOUNT_CLOEXEC,
                            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  }
  if (!made.root.valid()) {
    made.error = errno;
    made.said = said_by(context.get());
  }
  return made;
}

Error mount_error(const std::string& type, const Attempt& made) {
  Error error = system_error(made.error, "cannot mount the " + type + " file system" +
                                             (made.said.empty() ? "" : ": " + made.said));
  if (made.error == ENODEV) {
    error.code = Errc::kUnsupported;
    error.message = "this kernel cannot mount " + type;
  } else if (made.error == EUCLEAN || made.error == EBADMSG || made.error == EINVAL) {
    // EINVAL: of a newer kernel, or too damaged to be taken for one. The kernel log says more.
    error.code = made.error == EINVAL ? Errc::kUnsupported : Errc::kIntegrity;
    error.remedy = run_program("see what the kernel says", "dmesg");
  } else if (made.error == EEXIST || made.error == EBUSY) {
    error.code = Errc::kBusy;
    error.remedy = "unmount what has the same UUID: the disk itself, or another snapshot of it";
    if (type == "btrfs") {  // kernels before 6.7 remember devices that are not mounted as well
      error.remedy =
          std::move(error.remedy)
              .or_else(run_program("have the kernel forget it", "btrfs device scan --forget"));
    }
  }
  return error;
}

}  // namespace

Result<FileSystemMount> mount_file_system(const std::string& device, const std::string& type) {
  Ways ways{type.c_str(), type.c_str(), {"", nullptr}};
  const auto known = std::ranges::find_if(kWays, [&](const Ways& one) { return one.type == type; });
  if (known != kWays.end()) ways = *known;
  Attempt made;
  for (const char* options : ways.options) {
    if (options == nullptr) break;
    made = attempt(device, ways.kernel_type, options);
    if (made.root.valid()) {
      FileSystemMount mount;
      mount.root = std::move(made.root);
      mount.options = *options == '\0' ? "ro" : std::string("ro,") + options;
      mount.as_it_was = options != ways.options.front();
      return mount;
    }
    // A journal that would have to be replayed is EROFS, or EIO with btrfs; others are as wrong
    // again.
    if (made.error == ENODEV || made.error == ENOMEM) break;
  }
  return fail(mount_error(type, made));
}

Status attach_mount(const FileSystemMount& mount, const std::string& folder) {
  if (move_mount(mount.root.get(), "", AT_FDCWD, folder.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0) {
    return {};
  }
  return fail(system_error(errno, "cannot mount on " + folder));
}

}  // namespace blkrewind::cli
