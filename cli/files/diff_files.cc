#include "cli/files/diff_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "cli/look/loop_device.h"
#include "cli/look/snapshot_files.h"

namespace blkrewind::cli {
namespace {

// The device as it is now, in the same form.
Result<SnapshotFiles> open_device_files(const DiskInfo& disk, std::optional<unsigned> partition) {
  const OwnedFd device(::open(disk.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!device.valid()) return fail(system_error(errno, "cannot open " + disk.path));
  const std::string opening = "opening " + disk.path + " as it is now";
  SnapshotFiles files;
  auto parts = find_parts(device.get(), disk.device_bytes);
  if (!parts) return fail(std::move(parts).error().while_doing(opening));
  files.table = parts->table;
  auto part = choose_part(*parts, partition);
  if (!part) {
    Error error = std::move(part).error().while_doing(opening);
    if (error.code == Errc::kNotFound && error.remedy.empty()) {
      error.remedy = "compare its bytes: leave --files out";
    }
    return fail(std::move(error));
  }
  files.part = std::move(*part);
  BLKREWIND_ASSIGN(const LoopDevice loop,
                   attach_loop(device.get(), files.part.bytes,
                               {.snapshot_id = disk.id, .partition = files.part.number}));
  files.loop = loop.path;
  auto mount = mount_file_system(loop.path, files.part.type);
  if (!mount) return fail(std::move(mount).error().while_doing(opening));
  files.mount = std::move(*mount);
  return files;
}

// Two states of one btrfs have the same UUID, by which kernels before Linux 6.7 tell file systems.
Error beside_the_other(Error error, const SnapshotFiles& other) {
  if (other.part.type == "btrfs") {
    error.remedy =
        Remedy("open one after the other")
            .because("before Linux 6.7 a kernel mounts only one of two states of a btrfs")
            .or_else(std::move(error.remedy));
  }
  return error;
}

MountedTree tree_of(const SnapshotFiles& files) {
  return {.root = files.mount.root.get(),
          .device_offset = files.part.bytes.offset,
          .tells_device_offsets = files.part.type != "btrfs"};
}

// A partition by its device node: "/dev/loop0p1" is number 1 of /dev/loop0.
struct PartitionNode {
  std::string disk;
  unsigned number = 0;
};

std::optional<PartitionNode> partition_node(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISBLK(status.st_mode)) return std::nullopt;
  const std::filesystem::path folder = "/sys/dev/block/" + std::to_string(major(status.st_rdev)) +
                                       ":" + std::to_string(minor(status.st_rdev));
  PartitionNode found;
  std::ifstream(folder / "partition") >> found.number;
  std::error_code error;
  const auto real = std::filesystem::canonical(folder, error);
  if (found.number == 0 || error) return std::nullopt;
  found.disk = "/dev/" + real.parent_path().filename().string();
  return found;
}

// The target is no disk; if the disk that it is a part of is one, what to name instead.
Error with_its_disk(Error error, const Session& session, const std::string& target) {
  const auto node = partition_node(target);
  if (!node) return error;
  auto engine = session.open();
  if (!engine || engine->disk(target) || !engine->disk(node->disk)) return error;
  const std::string number = std::to_string(node->number);
  error.remedy = Remedy("name that, with --partition " + number)
                     .because(target + " is partition " + number + " of " + node->disk +
                              ", which is registered");
  return error;
}

Result<DiffFilesReceipt> compare_opened(Session& session, const FilesToCompare& what,
                                        const VisitFile& visit) {
  const auto start = std::chrono::steady_clock::now();
  BLKREWIND_ASSIGN(
      const SnapshotFiles before,
      open_snapshot_files(
          session, {.snapshot = what.before, .disk = what.target, .partition = what.partition}));
  SnapshotFiles after;
  if (!what.after.empty()) {
    auto opened = open_snapshot_files(
        session, {.snapshot = what.after, .disk = what.target, .partition = what.partition});
    if (!opened) return fail(beside_the_other(std::move(opened).error(), before));
    after = std::move(*opened);
  }
  ChangedExtents changed;
  {
    BLKREWIND_ASSIGN(Engine engine, session.open());
    std::optional<std::string> other;
    if (!what.after.empty()) other = after.snapshot.id;
    BLKREWIND_TRY(engine.diff(
        what.target, before.snapshot.id, other, [&](Extent extent) { changed.add(extent); },
        session.monitor()));
    if (what.after.empty()) {
      BLKREWIND_ASSIGN(const DiskInfo disk, engine.disk(what.target));
      auto opened = open_device_files(disk, what.partition);
      if (!opened) return fail(beside_the_other(std::move(opened).error(), before));
      after = std::move(*opened);
    }
  }
  session.erase_progress();
  if (before.part.bytes != after.part.bytes || before.part.type != after.part.type) {
    // Where a file is says nothing then.
    changed.add({0, before.snapshot.device_bytes});
  }
  DiffFilesReceipt receipt;
  receipt.from = before.snapshot.id;
  receipt.to = after.snapshot.id;
  receipt.type = after.part.type;
  receipt.partition = after.part.number;
  receipt.as_it_was = before.mount.as_it_was || after.mount.as_it_was;
  auto compared =
      compare_trees(tree_of(before), tree_of(after), changed, visit, session.monitor().cancel);
  if (!compared) {
    const bool of_the_later = after.last_error.get().has_value();
    return fail((of_the_later ? after : before).explained(std::move(compared).error()));
  }
  receipt.compared = *compared;
  receipt.elapsed_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return receipt;
}

}  // namespace

Result<DiffFilesReceipt> diff_files(Session& session, const FilesToCompare& what,
                                    const VisitFile& visit) {
  auto receipt = compare_opened(session, what, visit);
  if (receipt || receipt.error().code != Errc::kNotFound) return receipt;
  return fail(with_its_disk(std::move(receipt).error(), session, what.target));
}

}  // namespace blkrewind::cli
