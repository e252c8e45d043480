// verify, store init|info|gc
#include <unistd.h>

#include "cli/commands.h"
#include "cli/receipts.h"

namespace blkrewind::cli {
namespace {

struct VerifyArguments {
  std::vector<std::string> snapshots;
};

Status run_verify(Session& session, const VerifyArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const VerifyReceipt receipt,
                   engine.verify(arguments.snapshots, session.monitor()));
  const bool unreadable = receipt.unreadable_because.has_value();
  const bool damaged = !receipt.damaged.empty() || (!unreadable && !receipt.findings.empty());
  const Json json = json_of(receipt);
  const std::string text = text_of(receipt);
  // Findings are what was asked for; -q leaves out only the good news.
  BLKREWIND_TRY(damaged || unreadable ? session.answer(json, text) : session.receipt(json, text));
  if (!damaged && !unreadable) return {};
  if (!damaged) {
    Error error = *receipt.unreadable_because;
    error.message = std::to_string(receipt.unreadable.size()) + " of " +
                    counted(receipt.snapshots, "snapshot") + " in " + session.store() +
                    " could not be read in full: " + error.message;
    return fail(std::move(error));
  }
  return fail(
      Errc::kIntegrity,
      "damage was found in " + std::to_string(receipt.damaged.size()) + " of " +
          counted(receipt.snapshots, "snapshot") + " in " + session.store(),
      "a rollback that needs a damaged chunk is refused; use another snapshot, or import one");
}

struct NoArguments {};

Status run_init(Session& session, const NoArguments&) {
  // Asked first: making a store that is there already is no error, but not news either.
  const bool existed = access((session.store() + "/format").c_str(), F_OK) == 0;
  BLKREWIND_ASSIGN(Engine engine, session.open(true));
  BLKREWIND_ASSIGN(const StoreInfo info, engine.store_info());
  Json json = json_of(info);
  json["created"] = !existed;
  return session.receipt(json, (existed ? "there already: " : "made ") + text_of(info));
}

Status run_info(Session& session, const NoArguments&) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const StoreInfo info, engine.store_info());
  return session.answer(json_of(info), text_of(info));
}

Status run_gc(Session& session, const NoArguments&) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const CollectReceipt receipt, engine.collect(session.monitor()));
  return session.receipt(json_of(receipt), text_of(receipt));
}

}  // namespace

void add_store_commands(CLI::App& app, Command& chosen) {
  {
    auto [command, arguments] = add_command<VerifyArguments>(
        app, chosen, "verify", "Re-read the store and check every digest; damage gives status 5",
        "verify before-upgrade", run_verify);
    command->add_option("SNAPSHOT", arguments->snapshots, "Snapshots to check (all)");
  }
  CLI::App* const store = app.add_subcommand("store", "Make, describe or clean up the store");
  store->footer("Example:\n  blkrewind store info");
  store->require_subcommand(1);
  add_command<NoArguments>(*store, chosen, "init", "Make the store, when there is none",
                           "--store /backup/store store init", run_init);
  add_command<NoArguments>(*store, chosen, "info", "Show what the store holds and takes",
                           "store info", run_info);
  add_command<NoArguments>(*store, chosen, "gc",
                           "Finish interrupted deletes, remove leftovers, compact the journal",
                           "store gc", run_gc);
}

}  // namespace blkrewind::cli
