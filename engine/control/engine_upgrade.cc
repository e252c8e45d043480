// Stores of an older format are brought over.
#include "control/catalog/carry_over.h"
#include "control/catalog/catalog.h"
#include "control/caught.h"
#include "io/env.h"
#include "pipeline/meter.h"
#include "store/home/local_home.h"
#include "store/upgrade.h"

namespace blkrewind {

Result<UpgradeReceipt> Engine::upgrade_store(const OpenOptions& options) try {
  if (options.store.empty()) {
    return fail(Errc::kInvalidArgument, "no store was named", "name the store's directory");
  }
  const pipeline::Stopwatch watch;
  const auto env = io::make_local_env({.allow_io_uring = options.allow_io_uring});
  BLKREWIND_ASSIGN(const auto home, store::LocalHome::open(*env, options.store));
  BLKREWIND_ASSIGN(const auto header, home->read_header());
  BLKREWIND_ASSIGN(const auto catalog, control::Catalog::open(options.store + "/catalog.db"));
  store::Upgraded done;
  BLKREWIND_TRY(catalog->hand_over_old_rows([&](const control::OldRows& rows) -> Status {
    BLKREWIND_ASSIGN(done, store::upgrade(*env, options.store, [&](const auto& states) {
                       return control::entries_of(rows, states, header.secret);
                     }));
    return {};
  }));
  UpgradeReceipt receipt;
  receipt.upgraded = done.was_needed;
  receipt.resumed = done.resumed;
  receipt.disks = done.disks;
  receipt.snapshots = done.snapshots;
  receipt.moved_segments = done.segments;
  receipt.warnings = std::move(done.warnings);
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
