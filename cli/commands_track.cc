// track start|stop|status
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
};

Status run_start_tracking(Session& session, const TrackArguments& arguments) {
  SnapshotOptions options;
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

}  // namespace

void add_track_commands(CLI::App& app, Command& chosen) {
  CLI::App* const track =
      app.add_subcommand("track", "Remember where a disk changes, so that nothing else is read");
  track->require_subcommand(1);
  const auto add = [&](const std::string& name, const std::string& summary,
                       const std::string& example, auto run) {
    auto [command, arguments] =
        add_command<TrackArguments>(*track, chosen, name, summary, "track " + example, run);
    command->add_option("TARGET", arguments->target, "Block device, image file or disk id")
        ->required();
    return std::pair(command, arguments);
  };
  {
    auto [command, arguments] = add("start", "Begin; it goes on without any process",
                                    "start /dev/loop0", run_start_tracking);
    command
        ->add_option(
            "--source", arguments->source,
            "bitmap (a program in the kernel), extents (a clone beside the image file), or "
            "auto: the first for block devices, the second for files")
        ->check(CLI::IsMember({"auto", "bitmap", "extents"}));
    command->add_option("--chunk-size", arguments->chunk_size,
                        "When the target is registered: 4KiB to 1MiB, 64KiB unless given");
  }
  add("stop", "End it, and remove what it left in the kernel and beside the file",
      "stop /dev/loop0", run_stop_tracking);
  add("status", "Whether the next operation can rely on it, and if not, why", "status /dev/loop0",
      run_tracking_status);
}

}  // namespace blkrewind::cli
