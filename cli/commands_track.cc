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
  if (!arguments.chunk_size.empty()) {
    BLKREWIND_ASSIGN(options.chunk_bytes, parse_chunk_size(arguments.chunk_size));
    options.chunk_bytes_given = true;
  }
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
                                     : printable(arguments.target) + " is not tracked any more by";
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
  const std::string what = arguments.dry_run ? "would end " : "ended ";
  std::string text = what + counted(pruned.size(), "tracker") + "\n";
  if (!pruned.empty()) text += text_of(pruned);
  return session.receipt(json, text);
}

}  // namespace

void add_track_commands(CommandSyntax app, Command& chosen) {
  const CommandSyntax track =
      app.add_group("track", "Remember where a disk changes, so that nothing else is read");
  const auto add = [&](const std::string& name, const std::string& summary,
                       const std::string& example, auto run) {
    auto [command, arguments] =
        add_command<TrackArguments>(track, chosen, name, summary, "track " + example, run);
    command.add_option("TARGET", arguments->target, "Block device, image file or disk id")
        .required();
    return std::pair(command, arguments);
  };
  {
    auto [command, arguments] = add("start", "Begin; it goes on without any process",
                                    "start /dev/loop0", run_start_tracking);
    command
        .add_option("--source", arguments->source,
                    "bitmap (a program in the kernel), extents (a clone beside the image file), or "
                    "auto: the first for block devices, the second for files")
        .one_of({"auto", "bitmap", "extents"});
    command.add_option("--chunk-size", arguments->chunk_size,
                       "When the target is registered: 4KiB to 1MiB, 64KiB unless given");
    command.add_flag("--raw", arguments->raw,
                     "When an image file is registered: also when it is qcow2, vmdk, ...");
  }
  add("stop", "End it, and remove what it left in the kernel and beside the file",
      "stop /dev/loop0", run_stop_tracking);
  {
    auto [command, arguments] = add_command<PinArguments>(
        track, chosen, "list", "What runs in this machine's kernel, for disks of the store",
        "track list --all", run_list_tracking);
    command.add_flag("--all", arguments->all, "For disks of any store; needs none");
  }
  {
    auto [command, arguments] = add_command<PinArguments>(
        track, chosen, "prune", "End what tracks disks whose store or device is gone",
        "track prune --dry-run", run_prune_tracking);
    command.add_flag("--dry-run", arguments->dry_run, "Only say which");
  }
  add("status", "Whether the next operation can rely on it, and if not, why", "status /dev/loop0",
      run_tracking_status);
}

}  // namespace blkrewind::cli
