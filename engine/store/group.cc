#include "store/group.h"

#include <sys/random.h>

#include <cerrno>
#include <utility>

#include "format/record_codec.h"

namespace blkrewind::store {
namespace {

using format::GroupNumber;

Result<GroupNumber> new_group() {
  GroupNumber group = 0;
  if (::getrandom(&group, sizeof group, 0) != sizeof group) {
    return fail(system_error(errno, "cannot read random bytes for the number of a group"));
  }
  return group;
}

Status end_pending(History& history, GroupNumber group, bool done) {
  return history.log().update(
      [&](const State& state) -> Result<format::Transaction> {
        if (!state.pending.contains(group)) return format::Transaction{};
        return format::Transaction{format::PendingEnded{group, done}};
      },
      Room::kFrees);
}

Status remove_group(Store& store, GroupNumber group) {
  return store.index().update(
      [&](const State& index) -> Result<format::Transaction> {
        if (!index.groups.contains(group)) return format::Transaction{};
        return format::Transaction{format::GroupRemoved{group}};
      },
      Room::kFrees);
}

// Whether it is, once it can no longer be committed if it is not.
Result<bool> decide(Store& store, GroupNumber group) {
  bool committed = false;
  BLKREWIND_TRY(store.index().update(
      [&](const State& index) -> Result<format::Transaction> {
        const auto* found = index.groups.get(group);
        committed = found != nullptr && found->committed;
        if (found == nullptr || committed) return format::Transaction{};
        return format::Transaction{format::GroupRemoved{group}};
      },
      Room::kFrees));
  return committed;
}

Status write_pending(const GroupPart& part, GroupNumber group, Room room) {
  return part.lease->history()->log().update(
      [&](const State& state) -> Result<format::Transaction> {
        BLKREWIND_ASSIGN(const format::Transaction entries, part.build(state));
        if (entries.empty()) return format::Transaction{};
        for (const auto& entry : entries) BLKREWIND_TRY(format::check_entry(entry));
        return format::Transaction{format::PendingRecord{group, format::encode_entries(entries)}};
      },
      room);
}

Status commit(Store& store, GroupNumber group) {
  return store.index().update([&](const State& index) -> Result<format::Transaction> {
    const auto* found = index.groups.get(group);
    if (found == nullptr) {
      return fail(Errc::kBusy, "another process has taken over a disk of the group",
                  "see what that one did, then try again");
    }
    format::GroupRecord committed = *found;
    committed.committed = true;
    return format::Transaction{std::move(committed)};
  });
}

}  // namespace

Status update_together(Store& store, const std::vector<GroupPart>& parts, Room room) {
  BLKREWIND_TRY(store.check_writable());
  BLKREWIND_ASSIGN(const GroupNumber group, new_group());
  format::GroupRecord begun{group, false, {}};
  for (const GroupPart& part : parts) begun.disks.push_back(part.lease->history()->disk());
  BLKREWIND_TRY(store.index().update(
      [&](const State&) -> Result<format::Transaction> { return format::Transaction{begun}; },
      room));
  const auto prepare = [&]() -> Status {
    for (const GroupPart& part : parts) BLKREWIND_TRY(write_pending(part, group, room));
    return commit(store, group);
  };
  Status done = prepare();
  if (!done && store.index().in_doubt()) return done;
  // What fails here is done by the next owner.
  bool ended = done.has_value() || remove_group(store, group).has_value();
  if (!ended) return done;
  for (const GroupPart& part : parts) {
    ended = end_pending(*part.lease->history(), group, done.has_value()) && ended;
  }
  if (done && ended) (void)remove_group(store, group);
  return done;
}

Status settle_groups(Store& store, History& history) {
  const auto state = history.log().state();
  for (const auto& [group, pending] : state->pending) {
    BLKREWIND_ASSIGN(const bool committed, decide(store, group));
    BLKREWIND_TRY(end_pending(history, group, committed));
  }
  return {};
}

Status forget_ended_groups(Store& store) {
  BLKREWIND_TRY(store.index().refresh());
  const auto index = store.disks();
  for (const auto& [group, record] : index->groups) {
    // One that is not committed may be about to be; its disks' next owners remove it.
    bool ended = record.committed;
    for (const format::DiskNumber disk : record.disks) {
      if (!ended) break;
      const auto history = store.history(disk);
      const bool gone = !history && history.error().code == Errc::kNotFound;
      ended = gone || (history && !(*history)->log().state()->pending.contains(group));
    }
    if (ended) BLKREWIND_TRY(remove_group(store, group));
  }
  return {};
}

}  // namespace blkrewind::store
