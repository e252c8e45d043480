#include "operations/open_snapshot.h"

#include <string>

#include "operations/operations_parts.h"

namespace blkrewind {

Status OpenSnapshot::check_within(std::uint64_t offset, std::uint64_t length) const {
  const std::uint64_t size = record_.device_bytes;
  if (offset <= size && length <= size - offset) return {};
  Error error;
  error.code = Errc::kInvalidArgument;
  error.message = "snapshot " + record_.id + " ends at " + std::to_string(size);
  error.extent = Extent{offset, length};
  return fail(std::move(error).with_remedy("name a range within it"));
}

Status OpenSnapshot::named(Status done) const {
  if (done) return done;
  return fail(std::move(done).error().while_doing("reading snapshot " + record_.id));
}

Status OpenSnapshot::read(std::uint64_t offset, std::span<std::byte> into) const {
  BLKREWIND_TRY(check_within(offset, into.size()));
  return named(pipeline::read_tree(*history_, tree_, means_, offset, into));
}

Status OpenSnapshot::visit_data(const Extent& within, const Visit& visit) const {
  BLKREWIND_TRY(check_within(within.offset, within.length));
  const store::Tree nothing{tree_.geometry, {}};
  return named(pipeline::visit_tree(*history_, nothing, tree_, means_, within, visit));
}

Status OpenSnapshot::visit_changes(const OpenSnapshot& base, const Extent& within,
                                   const Visit& visit) const {
  BLKREWIND_TRY(check_within(within.offset, within.length));
  if (base.record_.disk != record_.disk || base.tree_.geometry != tree_.geometry) {
    return fail(Errc::kInvalidArgument,
                "snapshots " + base.record_.id + " and " + record_.id +
                    " are of different disks, or of different sizes of one");
  }
  return named(pipeline::visit_tree(*history_, base.tree_, tree_, means_, within, visit));
}

Result<std::shared_ptr<OpenSnapshot>> Operations::open_snapshot(const SnapshotKey& key) {
  BLKREWIND_ASSIGN(auto history, parts_->store->history(key.disk));
  BLKREWIND_ASSIGN(auto hold,
                   history->home().hold_snapshot(key.disk, key.number, io::LockMode::kShared));
  if (!hold) return fail(Errc::kBusy, "the snapshot is being deleted");
  // A delete that has taken its hold before this one has written its record by now.
  BLKREWIND_TRY(history->refresh());
  BLKREWIND_ASSIGN(auto record, find_accomplished(*history->state(), key.number));
  return std::make_shared<OpenSnapshot>(std::move(history), std::move(hold), std::move(record),
                                        parts_->reading);
}

}  // namespace blkrewind
