#include "cli/look/private_image.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "cli/mount/background.h"
#include "cli/mount/file_server.h"
#include "cli/mount/listing.h"
#include "cli/mount/mount_log.h"
#include "cli/mount/snapshot_tree.h"

namespace blkrewind::cli {
namespace {

// A FUSE file system on this descriptor of /dev/fuse, in no folder: it is gone when the returned
// descriptor is closed and no file of it is open.
Result<OwnedFd> mount_detached(int device) {
  const OwnedFd context(fsopen("fuse", FSOPEN_CLOEXEC));
  if (!context.valid()) {
    Error error = system_error(errno, "cannot prepare a FUSE file system");
    error.code = Errc::kUnsupported;
    return fail(std::move(error));
  }
  const auto set = [&](const char* key, const std::string& value) {
    return fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
  };
  if (!set("source", "blkrewind") || !set("fd", std::to_string(device)) ||
      !set("rootmode", "40000") || !set("user_id", "0") || !set("group_id", "0") ||
      fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return fail(system_error(errno, "cannot create a FUSE file system"));
  }
  OwnedFd mount(fsmount(context.get(), FSMOUNT_CLOEXEC,
                        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  if (!mount.valid()) return fail(system_error(errno, "cannot mount a FUSE file system"));
  return mount;
}

// In a process of its own: until the last file of the mount is closed.
Status serve_snapshot(const Session& session, const SnapshotInfo& snapshot, int device,
                      const ErrorNote& note, const Ready& ready) {
  MountLog log(MountLog::To::kSyslog, &note);
  BLKREWIND_ASSIGN(Engine engine, session.open());
  // Held from now on: the kernel asks for the file a moment later.
  BLKREWIND_ASSIGN(const SnapshotReader held, engine.open_snapshot(snapshot.id));
  const Listing one = {{.id = snapshot.disk_id,
                        .path = {},
                        .changed_at = snapshot.created_at,
                        .readable = true,
                        .snapshots = {listed(snapshot)}}};
  SnapshotTree tree(
      one, [&]() -> Result<Listing> { return one; }, [](const Error&) {});
  ServedMount where;
  where.device = device;
  BLKREWIND_ASSIGN(auto server, FileServer::mount(tree, engine, log, where));
  ready();
  Status served = server->serve();
  if (!served) log.error(served.error());
  return served;
}

}  // namespace

Result<PrivateImage> open_private_image(const Session& session, const std::string& snapshot,
                                        const std::string& disk) {
  PrivateImage image;
  BLKREWIND_ASSIGN(image.last_error, ErrorNote::make());
  {
    BLKREWIND_ASSIGN(Engine engine, session.open());
    BLKREWIND_ASSIGN(const SnapshotReader reader, engine.open_snapshot(snapshot, disk));
    image.snapshot = reader.info();
  }
  OwnedFd device(open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device.valid()) {
    Error error = system_error(errno, "cannot open /dev/fuse");
    if (error.code == Errc::kNotFound) {
      error.remedy = blkrewind::run_program("load the kernel's module", "modprobe fuse");
    }
    return fail(std::move(error));
  }
  BLKREWIND_ASSIGN(const OwnedFd mount, mount_detached(device.get()));
  const Session anywhere(session.options_anywhere(), stdout, stderr);
  BLKREWIND_TRY(run_in_background(
      [&](const Ready& ready) {
        return serve_snapshot(anywhere, image.snapshot, device.get(), image.last_error, ready);
      },
      {device.get(), image.last_error.descriptor()}));
  // The other process's alone: when that ends, what is read fails instead of waiting.
  device.reset();
  const std::string name = std::string(kByIdFolder) + "/" + image.snapshot.disk_id + "/" +
                           file_name_by_id(listed(image.snapshot));
  image.file.reset(openat(mount.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!image.file.valid()) {
    return fail(system_error(errno, "cannot open snapshot " + image.snapshot.id));
  }
  return image;
}

}  // namespace blkrewind::cli
