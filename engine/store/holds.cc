#include "store/holds.h"

#include <algorithm>
#include <string>

namespace blkrewind::store {
namespace {

// Whether the clone does not exist, once it cannot come into existence any more.
Result<bool> make_void(Store& store, const format::HoldRecord& hold) {
  bool is_void = false;
  BLKREWIND_TRY(store.index().update(
      [&](const State& index) -> Result<format::Transaction> {
        is_void = !counts(index, hold);
        if (!is_void) return format::Transaction{};
        return format::Transaction{format::DiskRemoved{hold.clone}};
      },
      Room::kFrees));
  return is_void;
}

tl::unexpected<Error> shared(const std::string& what, const format::DiskRecord& clone) {
  return fail(Errc::kPrecondition,
              what + " is needed by disk " + clone.id + " (" + clone.path +
                  "), a clone that shares its data",
              Remedy(Verb::kDiskForget, "forget the clone with its snapshots first",
                     {{Parameter::kTarget, clone.id}, {Parameter::kWithSnapshots, {}}}));
}

tl::unexpected<Error> held(const std::string& what, const State& index,
                           const format::HoldRecord& hold) {
  if (const auto* clone = index.disk(hold.clone)) return shared(what, *clone);
  return fail(Errc::kIntegrity,
              what + " is needed by a clone, disk " + std::to_string(hold.clone) +
                  ", which the index of the store does not name: it is older than the clone",
              "bring the index and all disks back from one backup");
}

}  // namespace

bool counts(const State& index, const format::HoldRecord& hold) {
  // An index that is older than the clone cannot tell.
  return index.disks.contains(hold.clone) || index.counters.next_disk <= hold.clone;
}

Status settle_holds(Store& store, History& history) {
  const auto state = history.log().state();
  for (const auto& [clone, hold] : state->holds) {
    if (counts(*store.disks(), hold)) continue;
    BLKREWIND_ASSIGN(const bool is_void, make_void(store, hold));
    if (!is_void) continue;
    BLKREWIND_TRY(history.log().update(
        [number = clone](const State& now) -> Result<format::Transaction> {
          if (!now.holds.contains(number)) return format::Transaction{};
          return format::Transaction{format::HoldRemoved{number}};
        },
        Room::kFrees));
  }
  return {};
}

Status check_not_held(const State& index, const State& log,
                      const format::SnapshotRecord& snapshot) {
  for (const auto& [clone, hold] : log.holds) {
    if (hold.snapshot == snapshot.number && counts(index, hold)) {
      return held("snapshot " + snapshot.id, index, hold);
    }
  }
  return {};
}

Status check_not_held(const State& index, const State& log, const format::DiskRecord& disk) {
  for (const auto& [clone, hold] : log.holds) {
    if (counts(index, hold)) return held("disk " + disk.id, index, hold);
  }
  return {};
}

Status check_not_shared(const State& index, const format::DiskRecord& disk) {
  for (const auto& [number, origin] : index.origins) {
    const auto is_it = [&](const auto& share) { return share.disk == disk.number; };
    const auto* clone = index.disk(number);
    if (clone != nullptr && std::ranges::any_of(origin.shares, is_it)) {
      return shared("disk " + disk.id, *clone);
    }
  }
  return {};
}

}  // namespace blkrewind::store
