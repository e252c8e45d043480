// rollback, undo, resume, clone
#include "cli/change_source.h"
#include "cli/commands.h"
#include "cli/of_disk.h"
#include "cli/receipts.h"
#include "cli/verify_after.h"

namespace blkrewind::cli {
namespace {

Status report_rollback(Session& session, const RollbackReceipt& receipt, RollbackVerb verb,
                       const std::string& target, const std::string& snapshot = {}) {
  return session.receipt(json_of(receipt), text_of(receipt, verb, target, snapshot,
                                                   session.command_line(Verb::kUndo, target)));
}

struct RollbackArguments {
  std::string target;
  std::string snapshot;
  bool dry_run = false;
  bool no_undo = false;
  std::string change_source = "auto";
  std::string verify_after;
  bool paranoid = false;
};

Status run_rollback(Session& session, const RollbackArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const RollbackReceipt receipt,
                   engine.rollback(arguments.target, arguments.snapshot,
                                   {.dry_run = arguments.dry_run,
                                    .undo = !arguments.no_undo,
                                    .change_source = change_source_of(arguments.change_source),
                                    .verify_after = verify_after_of(arguments.verify_after),
                                    .paranoid = arguments.paranoid},
                                   session.monitor()));
  return report_rollback(session, receipt, RollbackVerb::kRollback, arguments.target,
                         arguments.snapshot);
}

struct TargetArguments {
  std::string target;
  std::string verify_after;
};

Status run_undo(Session& session, const TargetArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(
      const RollbackReceipt receipt,
      engine.undo(arguments.target, session.monitor(), verify_after_of(arguments.verify_after)));
  return report_rollback(session, receipt, RollbackVerb::kUndo, arguments.target);
}

Status run_resume(Session& session, const TargetArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(
      const RollbackReceipt receipt,
      engine.resume(arguments.target, session.monitor(), verify_after_of(arguments.verify_after)));
  return report_rollback(session, receipt, RollbackVerb::kResume, arguments.target);
}

struct CloneArguments {
  std::string snapshot;
  std::string disk;
  std::string target;
  std::string name;
  bool no_undo = false;
  bool raw = false;
  std::string verify_after;
};

Status run_clone(Session& session, const CloneArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const std::string snapshot,
                   snapshot_of(engine, arguments.snapshot, arguments.disk));
  BLKREWIND_ASSIGN(const CloneReceipt receipt,
                   engine.clone(snapshot, arguments.target,
                                {.name = arguments.name,
                                 .undo = !arguments.no_undo,
                                 .raw = arguments.raw,
                                 .verify_after = verify_after_of(arguments.verify_after)},
                                session.monitor()));
  return session.receipt(
      json_of(receipt),
      text_of(receipt, arguments.target, session.command_line(Verb::kUndo, arguments.target)));
}

}  // namespace

void add_rollback_commands(CommandSyntax app, Command& chosen) {
  {
    auto [command, arguments] = add_command<RollbackArguments>(
        app, chosen, "rollback", "Roll a device back to a snapshot, writing only what changed",
        "rollback /dev/loop0 before-upgrade", run_rollback);
    command.add_option("TARGET", arguments->target, "Block device, image file or disk id")
        .required();
    command.add_option("SNAPSHOT", arguments->snapshot, "Snapshot id, name, or latest").required();
    command.add_flag("--dry-run", arguments->dry_run,
                     "Print what would be done, and change nothing");
    command.add_flag("--no-undo", arguments->no_undo,
                     "Take no undo snapshot: the rollback cannot be undone");
    add_change_source(command, arguments->change_source);
    command.add_flag("--paranoid", arguments->paranoid,
                     "Read the whole device afterwards and fail if it differs: the same as "
                     "--verify-after all");
    add_verify_after(command, arguments->verify_after);
  }
  {
    auto [command, arguments] = add_command<TargetArguments>(
        app, chosen, "undo", "Undo the last rollback, or an interrupted one", "undo /dev/loop0",
        run_undo);
    command.add_option("TARGET", arguments->target, "Block device, image file or disk id")
        .required();
    add_verify_after(command, arguments->verify_after);
  }
  {
    auto [command, arguments] = add_command<TargetArguments>(
        app, chosen, "resume", "Finish an interrupted rollback", "resume /dev/loop0", run_resume);
    command.add_option("TARGET", arguments->target, "Block device, image file or disk id")
        .required();
    add_verify_after(command, arguments->verify_after);
  }
  {
    auto [command, arguments] = add_command<CloneArguments>(
        app, chosen, "clone",
        "Write a snapshot onto another device or file, as a disk of its own that shares its data",
        "clone before-upgrade /dev/loop1", run_clone);
    command.add_option("SNAPSHOT", arguments->snapshot, "Snapshot id, name, or latest").required();
    command
        .add_option("DEVICE", arguments->target,
                    "Block device or file that is not registered, at least as large as the "
                    "snapshot; or a file that does not exist yet")
        .required();
    add_of_disk(command, arguments->disk);
    command.add_option("--name", arguments->name, "Name of the first snapshot of the new disk");
    command.add_flag("--no-undo", arguments->no_undo,
                     "Keep nothing of what DEVICE holds now: the clone cannot be undone");
    command.add_flag(
        "--raw", arguments->raw,
        "Overwrite DEVICE even if it is an image of another format (qcow2, vmdk, ...)");
    add_verify_after(command, arguments->verify_after);
  }
}

}  // namespace blkrewind::cli
