#include "store/history.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"

namespace blkrewind::store {

using format::SegmentId;

History::History(Home& home, const format::StoreHeader& header, format::DiskNumber disk,
                 std::unique_ptr<HomeLog> log, const Log& index)
    : home_(home),
      header_(header),
      disk_(disk),
      index_(index),
      log_(std::move(log), disk, {header.uuid, header.secret}),
      files_(home, disk, header) {}

Status History::refresh() {
  BLKREWIND_TRY(log_.refresh());
  const auto read = log_.state();
  if (const auto* origin = read->origins.get(disk_)) files_.share(origin->shares);
  return {};
}

Status History::check_complete() {
  Status whole = log_.check();
  if (whole || whole.error().code != Errc::kIntegrity) return whole;
  const auto known = log_.state();
  BLKREWIND_ASSIGN(auto queue, env().make_queue({.depth = 1}));
  return home_.for_each_segment(disk_, [&](SegmentId id) -> Status {
    if (known->segments.contains(id)) return {};
    const auto ours = files_.is_left_over(id, *queue);
    if (ours && !*ours) return {};
    return fail(Errc::kIntegrity,
                "the log " + log_.name() +
                    " may have lost records: the block that says how many "
                    "there are is damaged, and no record names " +
                    segment_name(id),
                Remedy("bring the log back from a backup of the store")
                    .or_else("move that file out of the store, if it is what an interrupted "
                             "operation has left"));
  });
}

std::shared_ptr<const State> History::state() const {
  auto state = log_.state();
  if (state->pending.empty()) return state;
  State decided = *state;
  const auto index = index_.state();
  for (const auto& [group, pending] : state->pending) {
    const auto* found = index->groups.get(group);
    if (found != nullptr && found->committed) decided.apply(format::PendingEnded{group, true});
  }
  return std::make_shared<const State>(std::move(decided));
}

Result<std::unique_ptr<SegmentWriter>> History::make_writer() {
  BLKREWIND_TRY(home_.check_writable());
  return std::make_unique<SegmentWriter>(home_, disk_, header_, log_.epoch(),
                                         state()->counters.next_segment);
}

Result<History::Orphans> History::remove_orphans() {
  BLKREWIND_TRY(home_.check_writable());
  BLKREWIND_TRY(log_.make_last_record_durable());
  BLKREWIND_ASSIGN(auto queue, env().make_queue({.depth = 1}));
  const auto known = state();
  std::vector<SegmentId> orphans;
  SegmentId last = 0;
  BLKREWIND_TRY(home_.for_each_segment(disk_, [&](SegmentId id) -> Status {
    if (known->segments.contains(id)) return {};
    const auto ours = files_.is_left_over(id, *queue);
    if (!ours && ours.error().code == Errc::kNotFound) return {};
    if (!ours) return fail(ours.error());
    if (!*ours) {
      log::warning(segment_name(id) + " is not a segment of this store; it is left alone");
      return {};
    }
    orphans.push_back(id);
    last = std::max(last, id);
    return {};
  }));
  Orphans removed;
  if (orphans.empty()) return removed;
  BLKREWIND_TRY(log_.update(
      [&](const State& state) -> Result<format::Transaction> {
        format::Counters counters = state.counters;
        counters.next_segment = std::max(counters.next_segment, last + 1);
        return format::Transaction{counters};
      },
      Room::kFrees));
  for (const SegmentId id : orphans) {
    const std::uint64_t bytes = home_.segment_bytes(disk_, id).value_or(0);
    const Status gone = home_.remove_segment(disk_, id);
    if (!gone && gone.error().code == Errc::kNotFound) continue;
    BLKREWIND_TRY(gone);
    removed.bytes += bytes;
    ++removed.files;
  }
  return removed;
}

std::uint64_t History::remove_segment(SegmentId id) {
  const std::uint64_t bytes = home_.segment_bytes(disk_, id).value_or(0);
  return home_.remove_segment(disk_, id) ? bytes : 0;
}

}  // namespace blkrewind::store
