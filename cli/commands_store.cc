// verify, store init|info|gc|upgrade
#include <unistd.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/of_disk.h"
#include "cli/receipts.h"

namespace blkrewind::cli {
namespace {

struct VerifyArguments {
  std::vector<std::string> snapshots;
  std::string disk;
};

// Of disks that cannot be read, the error to end with: damage before anything else. Null: none.
const Error* first_of(const std::vector<UnreadableDisk>& disks) {
  const auto damaged =
      std::ranges::find(disks, Errc::kIntegrity, [](const auto& disk) { return disk.error.code; });
  if (damaged != disks.end()) return &damaged->error;
  return disks.empty() ? nullptr : &disks.front().error;
}

// With --of alone: all that the disk has.
Result<std::vector<std::string>> chosen_to_verify(Engine& engine,
                                                  const VerifyArguments& arguments) {
  if (arguments.disk.empty()) return arguments.snapshots;
  std::vector<std::string> ids;
  for (const std::string& named : arguments.snapshots) {
    BLKREWIND_ASSIGN(std::string id, snapshot_of(engine, named, arguments.disk));
    ids.push_back(std::move(id));
  }
  if (!ids.empty()) return ids;
  BLKREWIND_TRY(engine.list(
      arguments.disk, [&](const DiskInfo&, const std::vector<SnapshotInfo>& snapshots) -> Status {
        for (const SnapshotInfo& one : snapshots) {
          if (one.status == SnapshotStatus::kAccomplished) ids.push_back(one.id);
        }
        return {};
      }));
  // None would be all of the store.
  if (!ids.empty()) return ids;
  return fail(Errc::kNotFound, arguments.disk + " has no snapshots",
              Remedy(Verb::kSnapshot, "take one", {{Parameter::kTarget, arguments.disk}}));
}

Status run_verify(Session& session, const VerifyArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const auto snapshots, chosen_to_verify(engine, arguments));
  BLKREWIND_ASSIGN(const VerifyReceipt receipt, engine.verify(snapshots, session.monitor()));
  const Error* lost = first_of(receipt.unreadable_disks);
  const bool more = lost == nullptr || lost->code != Errc::kIntegrity;
  if (more && !receipt.damaged_logs.empty()) lost = &receipt.damaged_logs.front();
  const bool unreadable = receipt.unreadable_because.has_value();
  const bool damaged = !receipt.damaged.empty() || (!unreadable && !receipt.findings.empty());
  const Json json = json_of(receipt);
  const std::string text = text_of(receipt);
  // Findings are the requested output; -q leaves out only a success.
  const bool whole = !damaged && !unreadable && lost == nullptr;
  BLKREWIND_TRY(whole ? session.receipt(json, text) : session.answer(json, text));
  if (whole) return {};
  if (!damaged && lost != nullptr && (lost->code == Errc::kIntegrity || !unreadable)) {
    return fail(*lost);
  }
  if (!damaged) {
    Error error = *receipt.unreadable_because;
    error.message = std::to_string(receipt.unreadable.size()) + " of " +
                    counted(receipt.snapshots, "snapshot") + " in " + session.store() +
                    " could not be read in full: " + error.message;
    return fail(std::move(error));
  }
  // Those that share what is damaged are damaged as well, whether or not they were verified.
  constexpr std::size_t kMost = 10;
  std::string which;
  for (const std::string& id :
       std::span(receipt.damaged).first(std::min(kMost, receipt.damaged.size()))) {
    which += (which.empty() ? "; damaged: " : ", ") + id;
  }
  if (receipt.damaged.size() > kMost) {
    which += ", and " + std::to_string(receipt.damaged.size() - kMost) + " more";
  }
  return fail(
      Errc::kIntegrity,
      "damage was found by verifying " + counted(receipt.snapshots, "snapshot") + " in " +
          session.store() + which,
      "a rollback that needs a damaged chunk is refused; use another snapshot, or import one");
}

struct NoArguments {};

Status run_init(Session& session, const NoArguments&) {
  // Checked first: creating an existing store is not an error, but the output should say so.
  const bool existed = access((session.store() + "/format").c_str(), F_OK) == 0;
  BLKREWIND_ASSIGN(Engine engine, session.open(true));
  BLKREWIND_ASSIGN(const StoreInfo info, engine.store_info());
  Json json = json_of(info);
  json["created"] = !existed;
  return session.receipt(json, (existed ? "already exists: " : "created ") + text_of(info));
}

Status run_info(Session& session, const NoArguments&) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const StoreInfo info, engine.store_info());
  BLKREWIND_TRY(session.answer(json_of(info), text_of(info)));
  if (const Error* lost = first_of(info.unreadable_disks)) return fail(*lost);
  return {};
}

Status run_gc(Session& session, const NoArguments&) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const CollectReceipt receipt, engine.collect(session.monitor()));
  return session.receipt(json_of(receipt), text_of(receipt));
}

Status run_upgrade(Session& session, const NoArguments&) {
  BLKREWIND_ASSIGN(const UpgradeReceipt receipt, session.upgrade());
  const Json json = json_of(receipt);
  const std::string text = text_of(receipt, session.store());
  // Warnings are shown with -q too.
  return receipt.warnings.empty() ? session.receipt(json, text) : session.answer(json, text);
}

}  // namespace

void add_store_commands(CommandSyntax app, Command& chosen) {
  {
    auto [command, arguments] = add_command<VerifyArguments>(
        app, chosen, "verify",
        "Read the store and check every digest; exit status 5 if it is damaged",
        "verify before-upgrade", run_verify);
    command.add_option("SNAPSHOT", arguments->snapshots, "Snapshots to check (all)");
    add_of_disk(command, arguments->disk);
  }
  const CommandSyntax store =
      app.add_group("store", "Create, show, clean up or upgrade the store", "store info");
  add_command<NoArguments>(store, chosen, "init", "Create the store if it does not exist",
                           "--store /backup/store store init", run_init);
  add_command<NoArguments>(store, chosen, "info", "Show the contents and size of the store",
                           "store info", run_info);
  add_command<NoArguments>(store, chosen, "gc",
                           "Finish interrupted deletes, remove orphaned files, compact the journal",
                           "store gc", run_gc);
  add_command<NoArguments>(store, chosen, "upgrade",
                           "Bring the store over to the present format, in place", "store upgrade",
                           run_upgrade);
}

}  // namespace blkrewind::cli
