#include "store/upgrade.h"

#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "store/home/local_home.h"
#include "store/home/read_only_store.h"
#include "store/log.h"
#include "store/segment_files.h"
#include "store/segment_owners.h"

namespace blkrewind::store {
namespace {

using format::DiskNumber;
using format::SegmentId;

constexpr std::size_t kEntriesARecord = 1024;

bool is_upgrading(const format::StoreHeader& header) {
  return (header.incompatible & format::kUpgrading) != 0;
}

tl::unexpected<Error> in_use(const std::string& store, const std::string& how) {
  return fail(Errc::kBusy, "the store " + store + " is in use: " + how,
              Remedy("wait until it has finished, and stop every blkrewind serve of this store")
                  .and_then({Verb::kStoreUpgrade, "try again"}));
}

tl::unexpected<Error> forged(const std::string& what) {
  return fail(Errc::kIntegrity, "the journal is damaged: " + what,
              "bring it back from a backup of the store; if the store was given to you, do not "
              "trust it");
}

// A journal of which something would be left out by giving each disk its own log.
Status check_divisible(const State& journal) {
  for (const auto& [number, snapshot] : journal.snapshots) {
    const std::string name = "snapshot " + std::to_string(number);
    if (journal.disk(snapshot.disk) == nullptr) return forged(name + " is of an unknown disk");
    for (const format::SnapshotNumber kin : snapshot.kin) {
      const auto* other = journal.snapshot(kin);
      if (other != nullptr && other->disk != snapshot.disk) {
        return forged(name + " is of the lineage of another disk's snapshot");
      }
    }
  }
  for (const auto& [disk, intent] : journal.intents) {
    if (journal.disk(disk) == nullptr) return forged("a rollback is of an unknown disk");
  }
  if (journal.disks.empty()) {
    for (const auto& [id, live_bytes] : journal.segments) {
      if (live_bytes != 0) return forged("segment " + std::to_string(id) + " is of no disk");
    }
  }
  if (journal.resets.size() + journal.clocks.size() + journal.notes.size() + journal.tokens.size() +
          journal.origins.size() + journal.holds.size() !=
      0) {
    return forged("it has entries that version 1 did not have");
  }
  return {};
}

class Upgrade {
 public:
  Upgrade(io::Env& machine, std::string path, std::unique_ptr<LocalHome> home)
      : machine_(machine),
        path_(std::move(path)),
        home_(std::move(home)),
        env_(home_->env()),
        layout_(home_->layout()) {}

  Result<Upgraded> run(const ExtraEntries& extra) {
    BLKREWIND_TRY(lock());
    if (header_.version != 1 && !is_upgrading(header_)) return done_;
    done_.was_needed = true;
    done_.resumed = header_.version != 1;
    if (!done_.resumed) BLKREWIND_TRY(begin(extra));
    BLKREWIND_TRY(finish());
    return std::move(done_);
  }

 private:
  // The lock of upgrades, which is that of the journal, and the header under it.
  Status lock() {
    while (true) {
      BLKREWIND_ASSIGN(header_, home_->read_header());
      if (header_.version != 1 && !is_upgrading(header_)) return {};
      BLKREWIND_ASSIGN(const host::FileId before, env_.identify(layout_.format()));
      BLKREWIND_ASSIGN(auto held, take(LocalLayout::kOldJournalLock));
      if (held == nullptr) {
        return in_use(path_, "another process is writing to it, or upgrades it");
      }
      BLKREWIND_ASSIGN(const host::FileId after, env_.identify(layout_.format()));
      if (before != after) continue;  // another upgrade has replaced the file meanwhile
      locks_.push_back(std::move(held));
      BLKREWIND_ASSIGN(header_, home_->read_header());
      break;
    }
    if ((header_.read_only_compatible & ~format::kKnownReadOnlyCompatible) == 0) return {};
    return fail(Errc::kUnsupported,
                "the store " + path_ + " uses features that this program can read but not write",
                "use a newer blkrewind for this store");
  }

  Result<std::unique_ptr<io::Lock>> take(std::uint64_t byte) {
    return read_only_store(env_.try_lock(layout_.format(), byte, io::LockMode::kExclusive));
  }

  // No operation is running, and none that starts now gets anywhere: it appends a record before it
  // changes anything of a disk at rest. Of the others the locks are held. (All of them might be
  // more than a process may have open.)
  Status lock_operations(const State& journal) {
    std::set<DiskNumber> unfinished;
    for (const auto& [disk, intent] : journal.intents) unfinished.insert(disk);
    for (const auto& [number, snapshot] : journal.snapshots) {
      if (snapshot.state == format::SnapshotState::kDeleting) unfinished.insert(snapshot.disk);
    }
    for (const auto& [number, disk] : journal.disks) {
      BLKREWIND_ASSIGN(auto held, take(LocalLayout::lease_lock(number)));
      if (held == nullptr) {
        return in_use(path_, "an operation on disk " + disk.id + " (" + disk.path + ") is running");
      }
      if (unfinished.contains(number)) locks_.push_back(std::move(held));
    }
    BLKREWIND_ASSIGN(auto held, take(LocalLayout::kOldWritersLock));
    if (held == nullptr) return in_use(path_, "an operation that writes segments is running");
    locks_.push_back(std::move(held));
    return {};
  }

  // As History::check_complete(): what a lost record named would be removed as left over.
  Status check_complete(Version1Home& old, const State& journal) {
    Status whole = old.check_journal();
    if (!whole && whole.error().code != Errc::kIntegrity) return whole;
    const bool blank = journal.counters.next_disk == format::Counters().next_disk;
    if (whole && !blank) return {};
    SegmentFiles files(old, format::kIndexLog, header_);
    BLKREWIND_ASSIGN(auto queue, env_.make_queue({.depth = 1}));
    return for_each_number(env_, layout_.old_segments(), [&](SegmentId id) -> Status {
      if (journal.segments.contains(id)) return {};
      const auto ours = files.is_left_over(id, *queue);
      if (!ours && ours.error().code != Errc::kIntegrity) return fail(ours.error());
      if (!ours || !*ours) return {};
      return fail(Errc::kIntegrity,
                  "the journal " + layout_.old_journal() + " may have lost records: none names " +
                      layout_.old_segment(id),
                  Remedy("bring the journal back from a backup of the store")
                      .or_else("move that file out of the store, if it is what an interrupted "
                               "operation has left"));
    });
  }

  // Steps 1 to 4.
  Status begin(const ExtraEntries& extra) {
    BLKREWIND_TRY(name_journal());
    BLKREWIND_ASSIGN(const auto old, open_old());
    BLKREWIND_ASSIGN(const auto known, old->read());
    const State& journal = *known.journal;
    BLKREWIND_TRY(check_complete(*old, journal));
    BLKREWIND_TRY(lock_operations(journal));
    BLKREWIND_TRY(check_divisible(journal));
    BLKREWIND_ASSIGN(auto owners, find_segment_owners(*old, header_, journal));
    done_.warnings = std::move(owners.warnings);
    const StatesByDisk states = split_by_disk(journal, [&](SegmentId id) {
      const auto owner = owners.disk_of.find(id);
      return owner == owners.disk_of.end() ? DiskNumber{0} : owner->second;
    });
    std::map<DiskNumber, format::Transaction> extras;
    if (extra) {
      BLKREWIND_ASSIGN(extras, extra(states));
    }
    BLKREWIND_TRY(remove_left_overs());
    if (Status written = write_logs(states, extras); !written) {
      // It is still a store of version 1, whose programs need the room.
      (void)remove_left_overs();
      return written;
    }
    BLKREWIND_TRY(env_.rename(layout_.old_journal(), layout_.old_journal_aside()));
    BLKREWIND_TRY(env_.sync_directory(layout_.root()));
    return replace_format(format::kUpgrading);
  }

  // Undoes step 3.
  Status name_journal() {
    BLKREWIND_ASSIGN(const bool there, env_.exists(layout_.old_journal()));
    BLKREWIND_ASSIGN(const bool aside, env_.exists(layout_.old_journal_aside()));
    if (there && aside) {
      return fail(Errc::kIntegrity,
                  "the store " + path_ + " has two journals, " + layout_.old_journal() + " and " +
                      layout_.old_journal_aside(),
                  "move away the one that is not the store's");
    }
    if (!aside) return {};
    BLKREWIND_TRY(read_only_store(env_.rename(layout_.old_journal_aside(), layout_.old_journal())));
    return env_.sync_directory(layout_.root());
  }

  Result<std::unique_ptr<Version1Home>> open_old() {
    BLKREWIND_ASSIGN(auto home, LocalHome::open(machine_, path_));
    return std::make_unique<Version1Home>(std::move(home), header_, true);
  }

  // Of an upgrade that was interrupted before step 4, which moved no segment.
  Status remove_left_overs() {
    std::set<DiskNumber> disks;
    BLKREWIND_TRY(home_->for_each_disk([&](DiskNumber disk) -> Status {
      disks.insert(disk);
      return home_->for_each_segment(disk, [&](SegmentId id) -> Status {
        return fail(Errc::kIntegrity,
                    "the store " + path_ + " says that it has version 1, but has the segment " +
                        layout_.segment(disk, id) + " of a newer one",
                    "bring the file " + layout_.format() + " back from a newer backup");
      });
    }));
    for (const DiskNumber disk : disks) BLKREWIND_TRY(home_->remove_disk(disk));
    const std::string index = layout_.log(format::kIndexLog);
    for (const std::string& name : {LocalLayout::temporary(index), index}) {
      BLKREWIND_TRY(remove_if_there(name));
    }
    return {};
  }

  Status remove_if_there(const std::string& name) {
    BLKREWIND_ASSIGN(const bool there, env_.exists(name));
    return there ? read_only_store(env_.remove(name)) : Status();
  }

  Status write_logs(const StatesByDisk& states,
                    const std::map<DiskNumber, format::Transaction>& extras) {
    BLKREWIND_ASSIGN(const bool there, env_.exists(layout_.disks()));
    if (!there) BLKREWIND_TRY(read_only_store(env_.make_directory(layout_.disks())));
    for (const auto& [disk, state] : states) {
      if (disk == format::kIndexLog) {
        BLKREWIND_TRY(LocalLog::create(env_, layout_, disk, key()));
      } else {
        BLKREWIND_TRY(home_->create_log(disk, key()));
      }
      const auto extra = extras.find(disk);
      BLKREWIND_TRY(write_log(disk, state, extra == extras.end() ? nullptr : &extra->second));
    }
    for (const auto& [disk, entries] : extras) {
      if (!states.contains(disk)) return fail(Errc::kInternal, "entries for an unknown disk");
    }
    return env_.sync_directory(layout_.root());
  }

  Status write_log(DiskNumber disk, const State& state, const format::Transaction* extra) {
    BLKREWIND_ASSIGN(auto opened, home_->open_log(disk, key()));
    Log log(std::move(opened), disk, key());
    format::Transaction puts;
    const auto append = [&]() -> Status {
      BLKREWIND_TRY(log.update([&](const State&) -> Result<format::Transaction> { return puts; }));
      puts.clear();
      return {};
    };
    BLKREWIND_TRY(state.for_each_put([&](const format::JournalEntry& entry) {
      puts.push_back(entry);
      return puts.size() == kEntriesARecord ? append() : Status();
    }));
    if (extra != nullptr) puts.insert(puts.end(), extra->begin(), extra->end());
    return append();
  }

  // Steps 5 and 6.
  Status finish() {
    BLKREWIND_ASSIGN(const auto owners, read_owners());
    for (const std::string& name :
         {layout_.old_journal_aside(), LocalLayout::temporary(layout_.old_journal())}) {
      BLKREWIND_TRY(remove_if_there(name));
    }
    BLKREWIND_TRY(move_segments(owners));
    BLKREWIND_TRY(remove_old_folder());
    BLKREWIND_TRY(env_.sync_directory(layout_.root()));
    return replace_format(0);
  }

  // From the logs.
  Result<std::map<SegmentId, DiskNumber>> read_owners() {
    BLKREWIND_ASSIGN(const auto index, read_log(format::kIndexLog));
    std::map<SegmentId, DiskNumber> owners;
    for (const auto& [disk, record] : index->disks) {
      BLKREWIND_ASSIGN(const auto state, read_log(disk));
      ++done_.disks;
      for (const auto& [number, snapshot] : state->snapshots) {
        if (snapshot.state == format::SnapshotState::kAccomplished) ++done_.snapshots;
      }
      for (const auto& [id, live_bytes] : state->segments) {
        if (owners.emplace(id, disk).second) continue;
        return fail(Errc::kIntegrity,
                    "segment " + std::to_string(id) + " is in the logs of two disks",
                    "if this store was given to you, do not trust it");
      }
    }
    return owners;
  }

  Result<std::shared_ptr<const State>> read_log(DiskNumber disk) {
    auto opened = home_->open_log(disk, key());
    if (!opened && opened.error().code == Errc::kNotFound) {
      Error error = std::move(opened).error();
      error.code = Errc::kIntegrity;
      return fail(std::move(error));
    }
    BLKREWIND_ASSIGN(auto found, std::move(opened));
    Log log(std::move(found), disk, key());
    BLKREWIND_TRY(log.refresh());
    return log.state();
  }

  Status move_segments(const std::map<SegmentId, DiskNumber>& owners) {
    std::set<SegmentId> unmoved;
    BLKREWIND_TRY(for_each_number(env_, layout_.old_segments(), [&](SegmentId id) -> Status {
      unmoved.insert(id);
      return {};
    }));
    std::vector<SegmentId> unnamed;
    for (const SegmentId id : unmoved) {
      const auto owner = owners.find(id);
      if (owner == owners.end()) {
        unnamed.push_back(id);
        continue;
      }
      const std::string to = layout_.segment(owner->second, id);
      BLKREWIND_ASSIGN(const bool there, env_.exists(to));
      if (there) {
        return fail(Errc::kIntegrity, layout_.old_segment(id) + " is in the way of " + to,
                    "move away the one that is not the store's");
      }
      BLKREWIND_TRY(read_only_store(env_.rename(layout_.old_segment(id), to)));
      ++done_.segments;
    }
    // Also what an upgrade moved that was interrupted before it flushed.
    std::set<DiskNumber> disks;
    for (const auto& [id, disk] : owners) disks.insert(disk);
    for (const DiskNumber disk : disks) BLKREWIND_TRY(home_->sync_segments(disk));
    return remove_orphans(unnamed);
  }

  // What no log names. Files of other programs stay.
  Status remove_orphans(const std::vector<SegmentId>& unnamed) {
    BLKREWIND_ASSIGN(const auto old, open_old());
    SegmentFiles files(*old, format::kIndexLog, header_);
    BLKREWIND_ASSIGN(auto queue, env_.make_queue({.depth = 4}));
    for (const SegmentId id : unnamed) {
      const auto ours = files.is_left_over(id, *queue);
      // kIntegrity: it is no file.
      if (!ours && ours.error().code != Errc::kIntegrity) return fail(ours.error());
      if (ours && *ours) BLKREWIND_TRY(env_.remove(layout_.old_segment(id)));
    }
    return {};
  }

  Status remove_old_folder() {
    const std::string folder = layout_.old_segments();
    BLKREWIND_ASSIGN(const bool there, env_.exists(folder));
    if (!there) return {};
    // The segments are gone from here, also after a power cut.
    BLKREWIND_TRY(env_.sync_directory(folder));
    BLKREWIND_ASSIGN(const auto left, env_.list_directory(folder));
    if (left.empty()) return env_.remove(folder);
    done_.warnings.push_back(folder + " was left where it is: " + left.front() +
                             " is not a segment of this store");
    return {};
  }

  Status replace_format(std::uint64_t incompatible) {
    format::StoreHeader header = header_;
    header.version = format::kFormatVersion;
    header.incompatible = incompatible;
    const std::string path = LocalLayout::temporary(layout_.format());
    BLKREWIND_TRY(remove_if_there(path));
    {
      BLKREWIND_ASSIGN(const auto made,
                       env_.open(path, {.access = io::Access::kReadWrite, .create_new = true}));
    }
    BLKREWIND_ASSIGN(auto held,
                     env_.try_lock(path, LocalLayout::kOldJournalLock, io::LockMode::kExclusive));
    if (held == nullptr) return in_use(path_, "another process has locked " + path);
    locks_.push_back(std::move(held));
    BLKREWIND_TRY(write_format_file(env_, layout_, header));
    BLKREWIND_TRY(env_.rename(path, layout_.format()));
    BLKREWIND_TRY(env_.sync_directory(layout_.root()));
    header_ = header;
    return {};
  }

  [[nodiscard]] LogKey key() const { return {header_.uuid, header_.secret}; }

  io::Env& machine_;
  const std::string path_;
  const std::unique_ptr<LocalHome> home_;
  io::Env& env_;
  const LocalLayout& layout_;
  format::StoreHeader header_;
  std::vector<std::unique_ptr<io::Lock>> locks_;
  Upgraded done_;
};

}  // namespace

Result<Upgraded> upgrade(io::Env& machine, const std::string& path, const ExtraEntries& extra) {
  BLKREWIND_ASSIGN(auto home, LocalHome::open(machine, path));
  auto done = Upgrade(machine, path, std::move(home)).run(extra);
  if (done) return done;
  Error error = std::move(done).error().while_doing("upgrading the store " + path);
  // Nothing can be deleted from it before it is upgraded.
  if (error.code == Errc::kNoSpace) {
    error.remedy =
        "make room on that file system, or delete snapshots with the version of blkrewind that "
        "made "
        "the store; then try again";
  }
  return fail(std::move(error));
}

Status check_not_upgrading(io::Env& env, const LocalLayout& layout,
                           const format::StoreHeader& header) {
  bool interrupted = is_upgrading(header);
  if (header.version == 1) {
    BLKREWIND_ASSIGN(const bool aside, env.exists(layout.old_journal_aside()));
    BLKREWIND_ASSIGN(const bool there, env.exists(layout.old_journal()));
    interrupted = aside && !there;
  }
  if (!interrupted) return {};
  BLKREWIND_ASSIGN(const bool running,
                   env.is_locked(layout.format(), LocalLayout::kOldJournalLock));
  if (running) {
    return fail(Errc::kBusy, "the store " + layout.root() + " is being upgraded",
                "wait until it has finished, then try again");
  }
  return fail(Errc::kUnsupported, "an upgrade of the store " + layout.root() + " was interrupted",
              {Verb::kStoreUpgrade, "complete it"});
}

}  // namespace blkrewind::store
