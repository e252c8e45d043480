#include "cli/look/snapshot_files.h"

#include <unistd.h>

#include <utility>

#include "cli/look/loop_device.h"
#include "cli/look/path_error.h"
#include "cli/look/private_image.h"

namespace blkrewind::cli {
namespace {

Status check_root() {
  if (geteuid() == 0) return {};
  return fail(Errc::kPrecondition,
              "only root may attach a loop device and mount the file system on it",
              Remedy("run it as root")
                  .or_else("use the file of the snapshot, which blkrewind mount shows"));
}

}  // namespace

Error SnapshotFiles::explained(Error error) const {
  if (error.code == Errc::kNotFound && mount.as_it_was) {
    return std::move(error).with_remedy(
        Remedy("clone the snapshot and mount the clone to see the last changes")
            .because("its journal was not replayed, and the last changes before the snapshot may "
                     "be in it alone"));
  }
  if (!is_of_the_device(error)) return error;
  const Remedy verify(Verb::kVerify, "look for corrupt chunks",
                      {{Parameter::kSnapshot, snapshot.id}});
  auto cause = last_error.get();
  if (!cause) return std::move(error).with_remedy(verify);
  cause->message = error.message + ": " + cause->message;
  cause->context = std::move(error.context);
  return std::move(*cause).with_remedy(verify);
}

Result<SnapshotFiles> open_snapshot_files(const Session& session, const FilesOf& what) {
  BLKREWIND_TRY(check_root());
  BLKREWIND_ASSIGN(PrivateImage image, open_private_image(session, what.snapshot, what.disk));
  SnapshotFiles files;
  files.snapshot = std::move(image.snapshot);
  const std::string reading = "opening snapshot " + files.snapshot.id;
  files.last_error = std::move(image.last_error);
  auto parts = find_parts(image.file.get(), files.snapshot.device_bytes);
  if (!parts) {
    return fail(files.explained(std::move(parts).error().while_doing(reading)));
  }
  files.table = parts->table;
  auto part = choose_part(*parts, what.partition);
  if (!part) {
    Error error = std::move(part).error().while_doing(reading);
    if (error.code == Errc::kNotFound && error.remedy.empty()) {
      error.remedy = "use the file of the snapshot, which blkrewind mount shows";
    }
    return fail(std::move(error));
  }
  files.part = std::move(*part);
  BLKREWIND_ASSIGN(const LoopDevice loop,
                   attach_loop(image.file.get(), files.part.bytes,
                               {.snapshot_id = files.snapshot.id, .partition = files.part.number}));
  files.loop = loop.path;
  auto mount = mount_file_system(loop.path, files.part.type);
  if (!mount) {
    Error error = std::move(mount).error().while_doing(reading);
    // Where the kernel says that it is damaged, its log says more: and no chunk need be corrupt.
    if (error.code == Errc::kIntegrity && !files.last_error.get()) return fail(std::move(error));
    return fail(files.explained(std::move(error)));
  }
  files.mount = std::move(*mount);
  return files;
}

}  // namespace blkrewind::cli
