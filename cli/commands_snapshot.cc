// snapshot, list, diff, delete
#include <optional>
#include <utility>

#include "cli/change_source.h"
#include "cli/commands.h"
#include "cli/files/diff_files.h"
#include "cli/files/receipts.h"
#include "cli/look/file_systems.h"
#include "cli/of_disk.h"
#include "cli/receipts.h"
#include "cli/signals.h"
#include "cli/sizes.h"
#include "cli/streamed_list.h"

namespace blkrewind::cli {
namespace {

struct SnapshotArguments {
  std::string target;
  std::string name;
  std::string description;
  std::string chunk_size;
  std::string change_source = "auto";
  bool raw = false;
  bool online = false;
  bool offline = false;
  std::string freeze_limit;
  std::string deadline;
  std::uint32_t max_passes = OnlineOptions{}.max_passes;
  std::string hook;
};

Status take_online(const SnapshotArguments& arguments, OnlineOptions& online) {
  if (arguments.online && arguments.offline) {
    return fail(Errc::kInvalidArgument, "--online and --offline exclude each other",
                "leave one of them out, or both");
  }
  if (arguments.online) online.in_use = InUse::kOnline;
  if (arguments.offline) online.in_use = InUse::kOffline;
  if (!arguments.freeze_limit.empty()) {
    BLKREWIND_ASSIGN(online.freeze_limit, parse_duration(arguments.freeze_limit));
  }
  if (!arguments.deadline.empty()) {
    BLKREWIND_ASSIGN(const auto deadline, parse_duration(arguments.deadline));
    online.deadline = std::chrono::duration_cast<std::chrono::seconds>(deadline);
  }
  online.max_passes = arguments.max_passes;
  online.hook = arguments.hook;
  return {};
}

Status run_snapshot(Session& session, const SnapshotArguments& arguments) {
  SnapshotOptions options;
  options.name = arguments.name;
  options.description = arguments.description;
  options.raw = arguments.raw;
  options.change_source = change_source_of(arguments.change_source);
  BLKREWIND_TRY(take_chunk_size(arguments.chunk_size, options));
  BLKREWIND_TRY(take_online(arguments, options.online));
  BLKREWIND_ASSIGN(Engine engine, session.open_for(arguments.target));
  BLKREWIND_ASSIGN(const SnapshotReceipt receipt,
                   engine.snapshot(arguments.target, options, session.monitor()));
  return session.receipt(json_of(receipt), text_of(receipt, arguments.target));
}

struct ListArguments {
  std::string target;
};

// Writes one disk after another: all of them may be more than fit into memory.
class ListPrinter {
 public:
  explicit ListPrinter(Session& session) : session_(session) {}

  Status add(const DiskInfo& disk, const std::vector<SnapshotInfo>& snapshots) {
    session_.erase_progress();
    const bool first = std::exchange(empty_, false);
    if (disk.trouble && !trouble_) trouble_ = disk.trouble;
    if (session_.json()) {
      return session_.out().write((first ? "{\"disks\":[" : ",") +
                                  dump(json_of_listed(disk, snapshots)));
    }
    return session_.out().write(
        (first ? "" : "\n") +
        text_of_listed(disk, snapshots,
                       {.resume = session_.command_line(Verb::kResume, disk.id),
                        .undo = session_.command_line(Verb::kUndo, disk.id)}));
  }

  // A list with a disk that cannot be read is complete, and failed.
  Status finish(const Status& listed) {
    session_.erase_progress();
    if (session_.json()) {
      if (listed && empty_) BLKREWIND_TRY(session_.out().write("{\"disks\":["));
      // Output that has started ends as valid JSON that marks it as incomplete.
      if (!listed && !empty_) BLKREWIND_TRY(session_.out().write("],\"complete\":false}\n"));
      if (listed) BLKREWIND_TRY(session_.out().write("]}\n"));
    } else if (listed && empty_) {
      BLKREWIND_TRY(session_.out().write("no disks in " + printable(session_.store()) + "\n"));
    }
    BLKREWIND_TRY(session_.out().flush());
    BLKREWIND_TRY(listed);
    if (trouble_) return fail(*trouble_);
    return {};
  }

 private:
  Session& session_;
  bool empty_ = true;
  std::optional<Error> trouble_;  // of the first disk that has any
};

Status run_list(Session& session, const ListArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  ListPrinter printer(session);
  return printer.finish(engine.list(
      arguments.target, [&](const DiskInfo& disk, const std::vector<SnapshotInfo>& snapshots) {
        return printer.add(disk, snapshots);
      }));
}

struct DiffArguments {
  std::string target;
  std::string snapshot;
  std::string other;
  bool files = false;
  std::optional<std::string> partition;
};

std::string right(std::uint64_t value) {
  std::string text = std::to_string(value);
  text.insert(0, 20 - text.size(), ' ');  // 64 bits have at most 20 digits
  return text;
}

std::string line_of(const Extent& extent) {
  return right(extent.offset) + " " + right(extent.length);
}

Status run_diff_files(Session& session, const DiffArguments& arguments) {
  BLKREWIND_ASSIGN(const auto partition, parse_partition(arguments.partition));
  StreamedList list(session, "files", "");
  const auto receipt =
      diff_files(session,
                 {.target = arguments.target,
                  .before = arguments.snapshot,
                  .after = arguments.other,
                  .partition = partition},
                 [&](const FileDifference& file) {
                   return list.add([&] { return json_of(file); }, [&] { return line_of(file); });
                 });
  if (!receipt) return list.finish(fail(receipt.error()), {}, {});
  return list.finish({}, json_of(*receipt), text_of(*receipt));
}

Status run_diff(Session& session, const DiffArguments& arguments) {
  if (arguments.files) return run_diff_files(session, arguments);
  if (arguments.partition) {
    return fail(Errc::kInvalidArgument, "--partition is for --files",
                "add --files, or leave --partition out");
  }
  BLKREWIND_ASSIGN(Engine engine, session.open());
  std::optional<std::string> other;
  if (!arguments.other.empty()) other = arguments.other;
  StreamedList list(session, "extents", "              offset               length");
  // A failed write cancels the operation; the failure is the result of finish().
  const auto receipt = engine.diff(
      arguments.target, arguments.snapshot, other,
      [&](Extent extent) {
        const Status added =
            list.add([&] { return json_of(extent); }, [&] { return line_of(extent); });
        if (!added) request_cancel();
      },
      session.monitor());
  if (!receipt) return list.finish(fail(receipt.error()), {}, {});
  return list.finish({}, json_of(*receipt), text_of(*receipt));
}

struct DeleteArguments {
  std::string snapshot;
  std::string disk;
};

Status run_delete(Session& session, const DeleteArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const std::string snapshot,
                   snapshot_of(engine, arguments.snapshot, arguments.disk));
  BLKREWIND_ASSIGN(const DeleteReceipt receipt,
                   engine.remove_snapshot(snapshot, session.monitor()));
  return session.receipt(json_of(receipt), text_of(receipt));
}

}  // namespace

void add_snapshot_commands(CommandSyntax app, Command& chosen) {
  {
    auto [command, arguments] = add_command<SnapshotArguments>(
        app, chosen, "snapshot", "Take a snapshot of a device, registering it if needed",
        "snapshot /dev/loop0 --name before-upgrade", run_snapshot);
    command.add_option("TARGET", arguments->target, "Block device, image file or disk id")
        .required();
    command.add_option("--name", arguments->name, "Name of the snapshot");
    command.add_option("--description", arguments->description, "A note");
    command.add_option("--chunk-size", arguments->chunk_size,
                       "If TARGET is not registered yet: 4KiB to 1MiB (64KiB)");
    command.add_flag("--raw", arguments->raw,
                     "Register an image file as raw bytes, even if it is qcow2, vmdk, ...");
    add_change_source(command, arguments->change_source);
    command.add_flag("--online", arguments->online,
                     "Take it beside other users of the device, also if there are none");
    command.add_flag("--offline", arguments->offline, "Refuse a device that is in use");
    command
        .add_option("--freeze-limit", arguments->freeze_limit,
                    "For how long file systems may be frozen (2s)")
        .value_name("TIME");
    command
        .add_option("--deadline", arguments->deadline,
                    "How long to try, once everything was read for the first time (60s)")
        .value_name("TIME");
    command
        .add_option("--max-passes", arguments->max_passes,
                    "How often to read what was written meanwhile before freezing anyway (20)")
        .value_name("N");
    command
        .add_option("--hook", arguments->hook,
                    "Program to run with \"freeze\" before, and with \"thaw\" afterwards")
        .value_name("PROGRAM");
  }
  {
    auto [command, arguments] = add_command<ListArguments>(
        app, chosen, "list", "Show disks and their snapshots", "list /dev/loop0", run_list);
    command.add_option("TARGET", arguments->target, "Only this disk");
  }
  {
    auto [command, arguments] = add_command<DiffArguments>(
        app, chosen, "diff",
        "Show the extents that differ between device and snapshot, or two snapshots",
        "diff /dev/loop0 before-upgrade", run_diff);
    command.add_option("TARGET", arguments->target, "Block device, image file or disk id")
        .required();
    command.add_option("SNAPSHOT", arguments->snapshot, "Snapshot id, name, or latest").required();
    command.add_option("OTHER", arguments->other,
                       "Compare with this snapshot instead of the device");
    command.add_flag("--files", arguments->files,
                     "Show which files differ (root only: mounts both, read-only)");
    command.add_option("--partition", arguments->partition,
                       "With --files: the number of the partition");
  }
  {
    auto [command, arguments] = add_command<DeleteArguments>(
        app, chosen, "delete", "Delete a snapshot and free the space that only it used",
        "delete before-upgrade", run_delete);
    command.add_option("SNAPSHOT", arguments->snapshot, "Snapshot id, name, or latest").required();
    add_of_disk(command, arguments->disk);
  }
}

}  // namespace blkrewind::cli
