// Snapshots in the C interface: taking, deleting, listing.
#include "control/c_interface/call.h"
#include "control/c_interface/options.h"
#include "control/c_interface/values.h"
#include "control/c_interface/watch.h"

using blkrewind::DiskInfo;
using blkrewind::Errc;
using blkrewind::SnapshotInfo;
using blkrewind::Status;
using blkrewind::c_interface::Arena;
using blkrewind::c_interface::call;
using blkrewind::c_interface::clear;
using blkrewind::c_interface::hand_out;
using blkrewind::c_interface::known_options;
using blkrewind::c_interface::need;
using blkrewind::c_interface::shown;
using blkrewind::c_interface::snapshot_options;
using blkrewind::c_interface::text;
using blkrewind::c_interface::Watch;

int blkrewind_snapshot(blkrewind_engine* engine, const char* target,
                       const blkrewind_snapshot_options* options, const blkrewind_monitor* monitor,
                       blkrewind_snapshot_receipt** receipt, blkrewind_error** error) {
  clear(receipt);
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_TRY(need(target != nullptr, "target"));
    BLKREWIND_ASSIGN(const auto wanted, snapshot_options(options));
    BLKREWIND_ASSIGN(const auto watched, known_options(monitor, "blkrewind_monitor"));
    const Watch watch(watched);
    BLKREWIND_ASSIGN(const auto taken, engine->engine->snapshot(target, wanted, watch.monitor()));
    hand_out(taken, receipt);
    return {};
  });
}

int blkrewind_delete(blkrewind_engine* engine, const char* snapshot,
                     const blkrewind_monitor* monitor, blkrewind_delete_receipt** receipt,
                     blkrewind_error** error) {
  clear(receipt);
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_TRY(need(snapshot != nullptr, "snapshot"));
    BLKREWIND_ASSIGN(const auto watched, known_options(monitor, "blkrewind_monitor"));
    const Watch watch(watched);
    BLKREWIND_ASSIGN(const auto deleted,
                     engine->engine->remove_snapshot(snapshot, watch.monitor()));
    hand_out(deleted, receipt);
    return {};
  });
}

int blkrewind_list(blkrewind_engine* engine, const char* target, blkrewind_visit_disk visit,
                   void* user, blkrewind_error** error) {
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_TRY(need(visit != nullptr, "visit"));
    bool ended = false;
    const Status listed = engine->engine->list(
        text(target),
        [&](const DiskInfo& disk, const std::vector<SnapshotInfo>& snapshots) -> Status {
          std::optional<blkrewind_error> trouble;
          if (disk.trouble) trouble.emplace(*disk.trouble);
          Arena arena;
          const blkrewind_disk_info info = shown(arena, disk, trouble ? &*trouble : nullptr);
          const auto* const infos = arena.each<blkrewind_snapshot_info>(snapshots);
          ended = visit(user, &info, infos, snapshots.size()) != 0;
          if (ended) return blkrewind::fail(Errc::kCancelled, "ended by the caller");
          return {};
        });
    return ended ? Status{} : listed;
  });
}
