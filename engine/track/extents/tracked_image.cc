#include "track/extents/tracked_image.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "host/loops.h"
#include "track/extents/clone_file.h"

namespace blkrewind::track {
namespace {

constexpr const char* kKindHint =
    "extent maps are for image files and for loop devices over image files";

tl::unexpected<Error> unsupported(const std::string& message, Remedy remedy) {
  return fail(Errc::kUnsupported, message, std::move(remedy));
}

// The path of the file below a loop device; stores the range of the disk in it in `range`.
Result<host::LoopDevice> loop_below(const TrackedDisk& disk, host::DeviceNumber device) {
  if (host::is_partition(device)) {
    return unsupported(disk.path + " is a partition",
                       Remedy("track the whole loop device")
                           .or_else(run_program("attach the partition's bytes to a loop device of "
                                                "their own",
                                                "losetup --offset")));
  }
  auto loop = host::loop_device(device);
  if (!loop)
    return unsupported(disk.path + " is neither an image file nor a loop device", kKindHint);
  if (loop->backing_device != 0) {
    return unsupported(disk.path + " is backed by a block device, not by a file", kKindHint);
  }
  if (!loop->is_plain) {
    return unsupported(disk.path + " does not map its file's bytes unchanged", kKindHint);
  }
  return std::move(*loop);
}

Result<std::string> split_path(const std::string& path, std::string& name) {
  const std::size_t slash = path.rfind('/');
  name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty()) return fail(Errc::kInvalidArgument, "\"" + path + "\" names no file");
  if (slash == std::string::npos) return std::string(".");
  return slash == 0 ? std::string("/") : path.substr(0, slash);
}

}  // namespace

Result<TrackedImage> open_image(const TrackedDisk& disk) {
  TrackedImage image;
  image.path = disk.path;
  image.range = {0, disk.device_bytes};
  struct stat status = {};
  if (::stat(disk.path.c_str(), &status) != 0) {
    return tl::unexpected(system_error(errno, "cannot inspect " + disk.path));
  }
  host::FileId expected{status.st_dev, status.st_ino};
  if (S_ISBLK(status.st_mode)) {
    BLKREWIND_ASSIGN(const host::LoopDevice loop, loop_below(disk, status.st_rdev));
    if (loop.range.length < disk.device_bytes) {
      return unsupported(disk.path + " is smaller than the disk", {});
    }
    image.path = loop.backing_file;
    image.range.offset = loop.range.offset;
    expected = loop.backing;
    image.device.reset(::open(disk.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    struct stat opened = {};
    if (!image.device.valid() || ::fstat(image.device.get(), &opened) != 0) {
      return tl::unexpected(system_error(errno, "cannot open " + disk.path));
    }
    if (opened.st_rdev != status.st_rdev) {
      return fail(Errc::kBusy, disk.path + " has just been replaced by another device");
    }
  } else if (!S_ISREG(status.st_mode)) {
    return unsupported(disk.path + " is neither an image file nor a loop device", kKindHint);
  }

  image.file.reset(::open(image.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!image.file.valid() || ::fstat(image.file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      host::FileId{status.st_dev, status.st_ino} != expected) {
    return unsupported("the file below " + disk.path + " is not found at " + image.path,
                       "attach the loop device again, to the file where it is now");
  }
  image.inode = status.st_ino;
  BLKREWIND_ASSIGN(const std::string directory, split_path(image.path, image.name));
  image.directory.reset(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!image.directory.valid()) {
    return tl::unexpected(system_error(errno, "cannot open " + directory));
  }
  const auto generation = generation_of(image.file.get());
  if (!generation) {
    return unsupported("the file system of " + image.path + " does not report inode generations",
                       "keep the image on XFS (mkfs.xfs -m reflink=1) or btrfs");
  }
  image.generation = *generation;
  return image;
}

std::optional<TrackedImage> open_folder(const TrackedDisk& disk) {
  TrackedImage image;
  image.path = disk.kept_at;
  const auto directory = split_path(image.path, image.name);
  if (!directory) return std::nullopt;
  image.directory.reset(::open(directory->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!image.directory.valid()) return std::nullopt;
  return image;
}

Status check_size(const TrackedImage& image) {
  struct stat status = {};
  if (::fstat(image.file.get(), &status) != 0) {
    return tl::unexpected(system_error(errno, "cannot query the size of " + image.path));
  }
  if (static_cast<std::uint64_t>(status.st_size) < image.range.end()) {
    return fail(Errc::kPrecondition, image.path + " is shorter than the disk");
  }
  return {};
}

Status flush(const TrackedImage& image) {
  if (image.device.valid()) BLKREWIND_TRY(sync(image.device.get(), "the device"));
  return sync(image.file.get(), image.path);
}

}  // namespace blkrewind::track
