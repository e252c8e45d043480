// disk register|attach|detach|show|forget|adopt
#include "cli/commands.h"
#include "cli/receipts.h"
#include "cli/sizes.h"

namespace blkrewind::cli {
namespace {

Advice advice_for(const Session& session, const DiskInfo& disk) {
  return {.resume = session.command_line(Verb::kResume, disk.id),
          .undo = session.command_line(Verb::kUndo, disk.id)};
}

// The disk after a change.
Status report_disk(Session& session, Engine& engine, const std::string& target) {
  BLKREWIND_ASSIGN(const DiskInfo disk, engine.disk(target));
  return session.receipt(json_of(disk), text_of(disk, advice_for(session, disk)));
}

struct DiskArguments {
  std::string target;
  std::string instance;
  std::string path;
  std::string chunk_size;
  bool with_snapshots = false;
  bool raw = false;
  bool as_new = false;
};

Status run_register(Session& session, const DiskArguments& arguments) {
  SnapshotOptions options;
  options.raw = arguments.raw;
  BLKREWIND_TRY(take_chunk_size(arguments.chunk_size, options));
  options.as_new = arguments.as_new;
  BLKREWIND_ASSIGN(Engine engine, session.open_for(arguments.target));
  BLKREWIND_ASSIGN(const DiskInfo disk, engine.register_disk(arguments.target, options));
  return session.receipt(json_of(disk), text_of(disk, advice_for(session, disk)));
}

Status run_attach(Session& session, const DiskArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(engine.attach_disk(arguments.target, arguments.instance));
  return report_disk(session, engine, arguments.target);
}

Status run_detach(Session& session, const DiskArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(engine.detach_disk(arguments.target));
  return report_disk(session, engine, arguments.target);
}

Status run_show_disk(Session& session, const DiskArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const DiskInfo disk, engine.disk(arguments.target));
  return session.answer(json_of(disk), text_of(disk, advice_for(session, disk)));
}

Status run_adopt(Session& session, const DiskArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(engine.adopt_disk(arguments.target, arguments.path));
  return report_disk(session, engine, arguments.target);
}

Status run_forget(Session& session, const DiskArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(
      const DiskInfo disk,
      engine.forget_disk(arguments.target, arguments.with_snapshots, session.monitor()));
  Json json;
  json["disk_id"] = disk.id;
  json["path"] = disk.path;
  json["forgotten"] = true;
  json["error"] = json_of_trouble(disk.trouble);
  const std::string text = "forgot " + disk.id + " (" + printable(disk.path) + ")\n";
  if (!disk.trouble) return session.receipt(json, text);
  return session.answer(
      json, text + "  its snapshots are unknown: " + printable(disk.trouble->to_string()) + "\n");
}

void add_target(CommandSyntax command, DiskArguments* arguments) {
  command.add_option("TARGET", arguments->target, "Block device, image file or disk id").required();
}

}  // namespace

void add_disk_commands(CommandSyntax app, Command& chosen) {
  const CommandSyntax disk =
      app.add_group("disk", "Register, attach, show or forget a disk", "disk show /dev/loop0");
  {
    auto [command, arguments] = add_command<DiskArguments>(
        disk, chosen, "register", "Register a device without taking a snapshot",
        "disk register /dev/loop0 --chunk-size 16KiB", run_register);
    add_target(command, arguments);
    command.add_option("--chunk-size", arguments->chunk_size, "4KiB to 1MiB (64KiB)");
    command.add_flag("--raw", arguments->raw,
                     "Treat an image file as raw bytes, even if it is qcow2, vmdk, ...");
    command.add_flag("--new", arguments->as_new,
                     "The device is not the registered disk that it resembles");
  }
  {
    auto [command, arguments] =
        add_command<DiskArguments>(disk, chosen, "attach", "Attach a disk to an instance",
                                   "disk attach /dev/loop0 --instance i-web1", run_attach);
    add_target(command, arguments);
    command.add_option("--instance", arguments->instance, "Instance id").required();
  }
  {
    auto [command, arguments] = add_command<DiskArguments>(
        disk, chosen, "detach", "Detach a disk from its instance; its status becomes Available",
        "disk detach /dev/loop0", run_detach);
    add_target(command, arguments);
  }
  {
    auto [command, arguments] = add_command<DiskArguments>(disk, chosen, "show", "Show one disk",
                                                           "disk show /dev/loop0", run_show_disk);
    add_target(command, arguments);
  }
  {
    auto [command, arguments] =
        add_command<DiskArguments>(disk, chosen, "forget", "Remove a disk from the store",
                                   "disk forget d-0123456789abcdef --with-snapshots", run_forget);
    add_target(command, arguments);
    command.add_flag("--with-snapshots", arguments->with_snapshots,
                     "Delete its snapshots too; without this a disk with snapshots is refused");
  }
  {
    auto [command, arguments] = add_command<DiskArguments>(
        disk, chosen, "adopt", "Declare that the device at PATH is this disk",
        "disk adopt d-0123456789abcdef /dev/loop1", run_adopt);
    command.add_option("DISK", arguments->target, "Disk id").required();
    command.add_option("PATH", arguments->path, "Block device or image file").required();
  }
}

}  // namespace blkrewind::cli
