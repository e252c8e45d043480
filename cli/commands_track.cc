// track start|stop|status|list|prune
#include "cli/change_source.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/receipts.h"
#include "cli/sizes.h"

namespace blkrewind::cli {
namespace {

struct TrackArguments {
  std::string target;
  std::string source = "auto";
  std::string chunk_size;
  bool raw = false;
};

Status run_start_tracking(Session& session, const TrackArguments& arguments) {
  SnapshotOptions options;
  options.raw = arguments.raw;
  BLKREWIND_TRY(take_chunk_size(arguments.chunk_size, options));
  BLKREWIND_ASSIGN(Engine engine, session.open_for(arguments.target));
  BLKREWIND_ASSIGN(
      const TrackingInfo tracking,
      engine.start_tracking(arguments.target, change_source_of(arguments.source), options));
  return session.receipt(json_of(tracking), text_of(tracking));
}

Status run_stop_tracking(Session& session, const TrackArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const auto stopped, engine.stop_tracking(arguments.target));
  std::string text = stopped.empty() ? printable(arguments.target) + " was not tracked\n"
                                     : printable(arguments.target) + " is no longer tracked by";
  for (const std::string& name : stopped) text += " " + name;
  if (!stopped.empty()) text += "\n";
  return session.receipt({{"stopped", stopped}}, text);
}

Status run_tracking_status(Session& session, const TrackArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const TrackingInfo tracking, engine.tracking(arguments.target));
  return session.answer(json_of(tracking), text_of(tracking));
}

struct PinArguments {
  bool all = false;
  bool dry_run = false;
};

Status run_list_tracking(Session& session, const PinArguments& arguments) {
  BLKREWIND_ASSIGN(auto pins, pinned_tracking());
  if (!arguments.all) {
    BLKREWIND_ASSIGN(Engine engine, session.open());
    BLKREWIND_ASSIGN(const StoreInfo store, engine.store_info());
    std::erase_if(pins, [&](const PinnedTracking& pin) { return pin.store_uuid != store.uuid; });
  }
  return session.answer({{"trackers", json_of(pins)}}, text_of(pins));
}

Status run_prune_tracking(Session& session, const PinArguments& arguments) {
  BLKREWIND_ASSIGN(const auto pruned, prune_tracking(arguments.dry_run));
  Json json = {{"pruned", json_of(pruned)}, {"dry_run", arguments.dry_run}};
  const std::string what = arguments.dry_run ? "would stop " : "stopped ";
  std::string text = what + counted(pruned.size(), "tracker") + "\n";
  if (!pruned.empty()) text += text_of(pruned);
  return session.receipt(json, text);
}

}  // namespace

void add_track_commands(CommandSyntax app, Command& chosen) {
  const CommandSyntax track =
      app.add_group("track", "Track where a disk changes, so that operations read only that");
  const auto add = [&](const std::string& name, const std::string& summary,
                       const std::string& example, auto run) {
    auto [command, arguments] =
        add_command<TrackArguments>(track, chosen, name, summary, "track " + example, run);
    command.add_option("TARGET", arguments->target, "Block device, image file or disk id")
        .required();
    return std::pair(command, arguments);
  };
  {
    auto [command, arguments] = add("start", "Start tracking; it continues without any process",
                                    "start /dev/loop0", run_start_tracking);
    command
        .add_option("--source", arguments->source,
                    "bitmap (a program in the kernel), extents (a clone beside the image file), or "
                    "auto: bitmap for block devices, extents for files")
        .one_of({"auto", "bitmap", "extents"});
    command.add_option("--chunk-size", arguments->chunk_size,
                       "If TARGET is not registered yet: 4KiB to 1MiB (64KiB)");
    command.add_flag("--raw", arguments->raw,
                     "Register an image file as raw bytes, even if it is qcow2, vmdk, ...");
  }
  add("stop", "Stop tracking; remove the program from the kernel or the clone of the file",
      "stop /dev/loop0", run_stop_tracking);
  {
    auto [command, arguments] = add_command<PinArguments>(
        track, chosen, "list", "List the disks of the store that the kernel tracks",
        "track list --all", run_list_tracking);
    command.add_flag("--all", arguments->all, "List disks of every store");
  }
  {
    auto [command, arguments] = add_command<PinArguments>(
        track, chosen, "prune", "Stop tracking disks whose store or device is gone",
        "track prune --dry-run", run_prune_tracking);
    command.add_flag("--dry-run", arguments->dry_run, "Print which, and change nothing");
  }
  add("status", "Show whether the tracker is valid, and if not, why", "status /dev/loop0",
      run_tracking_status);
}

}  // namespace blkrewind::cli
