#include "store/segment_owners.h"

#include <optional>
#include <utility>

#include "format/log_codec.h"
#include "store/segment_files.h"
#include "store/tree_reader.h"
#include "store/unique_walk.h"

namespace blkrewind::store {
namespace {

using format::DiskNumber;
using format::SegmentId;
using format::SnapshotRecord;
using format::SnapshotState;

class Search {
 public:
  Search(Home& home, const format::StoreHeader& header, const State& journal, io::Queue& queue)
      : home_(home),
        journal_(journal),
        files_(home, format::kIndexLog, header),
        reader_(files_, queue, header.secret) {}

  Status walk(const SnapshotRecord& snapshot) {
    if (snapshot.root.is_zero()) return {};
    Status named;
    UniqueFilter filter;
    filter.on_damage = [&](int, std::uint64_t, const format::Entry& entry, const Error& error) {
      if (named) named = name(snapshot, entry.segment);
      // Of several errors, one that may pass counts.
      const auto [known, first] = unread_.emplace(snapshot.disk, error);
      if (!first && known->second.code == Errc::kIntegrity) known->second = error;
    };
    const auto visit = [&](const UniqueExtent& extent) {
      return named ? name(snapshot, extent.entry.segment) : named;
    };
    BLKREWIND_TRY(
        for_each_unique(reader_, tree_of(snapshot), walked_near(snapshot), filter, visit));
    return named;
  }

  Result<SegmentOwners> finish() {
    for (const auto& [id, live_bytes] : journal_.segments) {
      if (live_bytes == 0 || owners_.disk_of.contains(id)) continue;
      BLKREWIND_TRY(give_away(id));
    }
    return std::move(owners_);
  }

 private:
  std::vector<Tree> walked_near(const SnapshotRecord& snapshot) const {
    std::vector<Tree> trees;
    for (const format::SnapshotNumber near : journal_.holders_near(snapshot.number)) {
      const SnapshotRecord& other = *journal_.snapshot(near);
      if (near < snapshot.number && other.disk == snapshot.disk) trees.push_back(tree_of(other));
    }
    return trees;
  }

  Status name(const SnapshotRecord& snapshot, SegmentId id) {
    if (!journal_.segments.contains(id)) return check_unlisted(snapshot, id);
    const auto [known, first] = owners_.disk_of.emplace(id, snapshot.disk);
    if (first || known->second == snapshot.disk) return {};
    return fail(Errc::kIntegrity,
                "segment " + std::to_string(id) + " holds data of two disks, " +
                    journal_.disk(known->second)->id + " and " + journal_.disk(snapshot.disk)->id,
                "if this store was given to you, do not trust it");
  }

  // The file would be removed as one that is not needed. Without a file the snapshot is damaged,
  // and stays so; one that is being deleted has nothing to lose.
  Status check_unlisted(const SnapshotRecord& snapshot, SegmentId id) {
    if (snapshot.state == SnapshotState::kDeleting) return {};
    const std::string file = home_.segment_name(snapshot.disk, id);
    BLKREWIND_ASSIGN(const bool there, home_.env().exists(file));
    if (!there) return {};
    return fail(Errc::kIntegrity,
                "snapshot " + snapshot.id + " needs the segment " + file +
                    ", which the journal does not list",
                "delete that snapshot with the version of the program that took it; if this store "
                "was given to you, do not trust it");
  }

  // A segment of which something is needed, and that no readable node names.
  Status give_away(SegmentId id) {
    if (journal_.disks.empty()) return {};
    if (unread_.size() > 1) {
      for (const auto& [disk, error] : unread_) {
        if (error.code == Errc::kIntegrity) continue;
        Error why = error;
        return fail(
            std::move(why).while_doing("finding out whose segment " + std::to_string(id) + " is"));
      }
    }
    const DiskNumber disk =
        unread_.empty() ? journal_.disks.begin()->first : unread_.begin()->first;
    owners_.disk_of.emplace(id, disk);
    owners_.warnings.push_back("no readable tree names segment " + std::to_string(id) +
                               ": it was given to disk " + journal_.disk(disk)->id);
    return {};
  }

  Home& home_;
  const State& journal_;
  SegmentFiles files_;
  TreeReader reader_;
  SegmentOwners owners_;
  std::map<DiskNumber, Error> unread_;  // disks with a tree that cannot be read in full, and why
};

}  // namespace

Result<SegmentOwners> find_segment_owners(Home& home, const format::StoreHeader& header,
                                          const State& journal) {
  BLKREWIND_ASSIGN(auto queue, home.env().make_queue({.depth = 8}));
  Search search(home, header, journal, *queue);
  for (const auto& [number, snapshot] : journal.snapshots) BLKREWIND_TRY(search.walk(snapshot));
  return search.finish();
}

}  // namespace blkrewind::store
