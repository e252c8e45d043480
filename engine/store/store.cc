#include "store/store.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <set>
#include <span>
#include <utility>
#include <variant>

#include "store/holds.h"
#include "store/home/local_home.h"
#include "store/home/version1_home.h"
#include "store/upgrade.h"

namespace blkrewind::store {
namespace {

using format::DiskNumber;

Status fill_random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error(errno, "cannot read random bytes for the digest secret"));
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

const format::DiskRecord* find_record(const format::Transaction& transaction, DiskNumber number) {
  for (const format::JournalEntry& entry : transaction) {
    const auto* record = std::get_if<format::DiskRecord>(&entry);
    if (record != nullptr && record->number == number) return record;
  }
  return nullptr;
}

tl::unexpected<Error> no_disk() {
  return fail(Errc::kNotFound, "the disk was removed from the store");
}

}  // namespace

Result<format::StoreHeader> Store::new_header() {
  format::StoreHeader header;
  header.created_at = std::time(nullptr);
  BLKREWIND_TRY(fill_random(header.uuid));
  // RFC 4122, version 4.
  header.uuid[6] = (header.uuid[6] & std::byte{0x0f}) | std::byte{0x40};
  header.uuid[8] = (header.uuid[8] & std::byte{0x3f}) | std::byte{0x80};
  BLKREWIND_TRY(fill_random(header.secret));
  return header;
}

Result<bool> Store::exists(io::Env& env, const std::string& path) {
  return LocalHome::exists(env, path);
}

Status Store::create(io::Env& machine, const std::string& path) {
  BLKREWIND_ASSIGN(const auto header, new_header());
  return LocalHome::create(machine, path, header);
}

Result<std::unique_ptr<Store>> Store::open(io::Env& machine, const std::string& path) {
  BLKREWIND_ASSIGN(auto home, LocalHome::open(machine, path));
  BLKREWIND_ASSIGN(const auto header, home->read_header());
  BLKREWIND_TRY(check_not_upgrading(home->env(), home->layout(), header));
  if (header.version == 1) {
    return open(std::make_unique<Version1Home>(std::move(home), header), header);
  }
  BLKREWIND_ASSIGN(auto store, open(std::move(home), header));
  BLKREWIND_TRY(store->check_names_all_disks());
  return store;
}

Result<std::unique_ptr<Store>> Store::open(std::unique_ptr<Home> home) {
  BLKREWIND_ASSIGN(const auto header, home->read_header());
  return open(std::move(home), header);
}

Result<std::unique_ptr<Store>> Store::open(std::unique_ptr<Home> home,
                                           const format::StoreHeader& header) {
  auto index = home->open_log(format::kIndexLog, {header.uuid, header.secret});
  if (!index && index.error().code == Errc::kNotFound) {
    // A store without it is damaged; it is not a mistake of the caller.
    Error error = std::move(index).error();
    error.code = Errc::kIntegrity;
    return fail(std::move(error).while_doing("opening the store " + home->folder()));
  }
  BLKREWIND_ASSIGN(auto log, std::move(index));
  auto store = std::make_unique<Store>(std::move(home), header, std::move(log));
  if (Status read = store->index_.refresh(); !read) {
    return fail(std::move(read).error().while_doing("opening the store " + store->folder()));
  }
  return store;
}

Store::Store(std::unique_ptr<Home> home, const format::StoreHeader& header,
             std::unique_ptr<HomeLog> index)
    : home_(std::move(home)),
      header_(header),
      index_(std::move(index), format::kIndexLog, {header.uuid, header.secret}) {}

// An index that lost its records, or its last one, would have disks removed as left over, and their
// numbers given again. Not of a home where a reader may be behind.
Status Store::check_names_all_disks() {
  const bool blank = disks()->counters.next_disk == format::Counters().next_disk;
  Status whole = index_.check();
  if (!whole && whole.error().code != Errc::kIntegrity) return whole;
  if (whole && !blank) return {};
  std::vector<DiskNumber> unnamed;
  BLKREWIND_TRY(home_->for_each_disk([&](DiskNumber disk) -> Status {
    if (!disks()->disks.contains(disk)) unnamed.push_back(disk);
    return {};
  }));
  if (unnamed.empty()) return {};
  // Another process may have added it since.
  BLKREWIND_TRY(index_.refresh());
  for (const DiskNumber disk : unnamed) {
    const auto known = disks();
    const bool added = known->disks.contains(disk) || (whole && disk < known->counters.next_disk);
    if (!added) return unnamed_disk(disk);
  }
  return {};
}

Status Store::check_writable() const {
  BLKREWIND_TRY(home_->check_writable());
  if ((header_.read_only_compatible & ~format::kKnownReadOnlyCompatible) == 0) return {};
  return fail(Errc::kUnsupported,
              "the store " + folder() + " uses features that this program can read but not write",
              "use a newer blkrewind for this store");
}

bool Store::may_only_be_read(const Error& error) {
  return error.code == Errc::kUnsupported || error.sys_errno == EROFS ||
         error.sys_errno == EACCES || error.sys_errno == EPERM;
}

std::string Store::name_of(DiskNumber disk) const {
  const auto known = disks();
  const auto* record = known->disk(disk);
  return record != nullptr ? record->id + " (" + record->path + ")" : std::to_string(disk);
}

Result<std::shared_ptr<History>> Store::open_history(DiskNumber disk) {
  const std::lock_guard lock(mutex_);
  if (auto open = open_[disk].lock()) return open;
  std::erase_if(open_, [](const auto& entry) { return entry.second.expired(); });
  BLKREWIND_ASSIGN(auto opened, home_->open_log(disk, {header_.uuid, header_.secret}));
  auto history = std::make_shared<History>(*home_, header_, disk, std::move(opened), index_);
  open_[disk] = history;
  kept_.push_front(history);
  if (kept_.size() > kHistoriesKept) kept_.pop_back();
  return history;
}

Result<std::shared_ptr<History>> Store::read_history(DiskNumber disk) {
  BLKREWIND_ASSIGN(auto history, open_history(disk));
  BLKREWIND_TRY(history->refresh());
  // Read after the log: what the index had said by then, it says now.
  if (!history->log().state()->pending.empty()) BLKREWIND_TRY(index_.refresh());
  BLKREWIND_TRY(history->check_complete());
  return history;
}

// The index names a disk after its log does: a log that does not say whose it is has lost records.
Result<std::shared_ptr<History>> Store::read_whole_history(DiskNumber disk, Reads reads) {
  BLKREWIND_ASSIGN(auto history, read_history(disk));
  const auto is_whole = [&] { return history->log().state()->disk(disk) != nullptr; };
  if (is_whole()) return history;
  if (reads == Reads::kAnyone) {
    // What is read without a lease may be behind.
    BLKREWIND_ASSIGN(const auto lease, home_->take_lease(disk, io::LockMode::kShared));
    if (lease == nullptr) return history;  // to be seen by the owner
    BLKREWIND_TRY(history->refresh());
    if (is_whole()) return history;
  }
  return fail(Errc::kIntegrity, "its log does not name the disk: it has lost records",
              "bring it back from a backup of the store");
}

Result<std::shared_ptr<History>> Store::history(DiskNumber disk) {
  return history(disk, Reads::kAnyone);
}

Result<std::shared_ptr<History>> Store::history(DiskNumber disk, Reads reads) {
  if (!disks()->disks.contains(disk)) return no_disk();
  auto history = read_whole_history(disk, reads);
  if (history) return history;
  // Another process may have removed the disk since the index was read.
  BLKREWIND_TRY(index_.refresh());
  const auto known = disks();
  const auto* record = known->disk(disk);
  if (record == nullptr) return no_disk();
  Error error = std::move(history).error();
  if (error.code == Errc::kNotFound) {
    error.code = Errc::kIntegrity;
    error.remedy = "bring it back from a backup of the store";
  }
  if (error.code == Errc::kIntegrity) {
    error.remedy =
        std::move(error.remedy)
            .or_else({Verb::kDiskForget,
                      "give up the disk and all of its snapshots",
                      {{Parameter::kTarget, record->id}, {Parameter::kWithSnapshots, {}}}});
  }
  return fail(std::move(error).while_doing("reading the history of disk " + name_of(disk)));
}

Result<std::unique_ptr<HomeLease>> Store::own(DiskNumber disk) {
  BLKREWIND_TRY(check_writable());
  BLKREWIND_ASSIGN(auto lease, home_->take_lease(disk, io::LockMode::kExclusive));
  if (lease == nullptr) {
    return fail(Errc::kBusy, "another operation on disk " + name_of(disk) + " is running",
                "wait until it has finished, then try again");
  }
  // Only now: until here the disk could be removed.
  BLKREWIND_TRY(index_.refresh());
  if (!disks()->disks.contains(disk)) return no_disk();
  return lease;
}

Result<std::shared_ptr<Lease>> Store::lease(DiskNumber disk) {
  BLKREWIND_ASSIGN(auto lease, own(disk));
  BLKREWIND_ASSIGN(auto history, this->history(disk, Reads::kOwner));
  return std::make_shared<Lease>(std::move(history), std::move(lease));
}

Result<std::unique_ptr<HomeLease>> Store::lease_for_reading(DiskNumber disk) {
  BLKREWIND_ASSIGN(auto lease, home_->take_lease(disk, io::LockMode::kShared));
  if (lease != nullptr) return lease;
  return fail(Errc::kBusy, "another operation on disk " + name_of(disk) + " is running",
              "wait until it has finished, then try again");
}

Result<bool> Store::has_owner(DiskNumber disk) { return home_->has_owner(disk); }

Status Store::add_disk(const BuildDisk& build, const BeginDisk& begin) {
  BLKREWIND_TRY(check_writable());
  // Before anything is made: there may be nothing to add.
  BLKREWIND_TRY(index_.refresh());
  {
    const auto known = disks();
    BLKREWIND_ASSIGN(const auto wanted, build(*known, known->counters.next_disk));
    if (wanted.empty()) return {};
  }
  BLKREWIND_ASSIGN(const DiskNumber number, take_number());
  BLKREWIND_ASSIGN(const auto lease, home_->take_lease(number, io::LockMode::kExclusive));
  if (lease == nullptr) return fail(Errc::kBusy, "another process holds the new disk's lock");
  const LogKey key = {header_.uuid, header_.secret};
  Status made = home_->create_log(number, key);
  if (!made && made.error().code == Errc::kAlreadyExists) return unnamed_disk(number);
  const auto fill = [&]() -> Status {
    BLKREWIND_ASSIGN(auto opened, home_->open_log(number, key));
    Log log(std::move(opened), number, key);
    log.set_owner(lease.get());
    Beginning more;
    if (begin) {
      BLKREWIND_TRY(log.refresh());
      BLKREWIND_ASSIGN(more, begin(number, log.epoch()));
    }
    return index_.update([&](const State& index) -> Result<format::Transaction> {
      BLKREWIND_ASSIGN(auto entries, build(index, number));
      const format::DiskRecord* record = find_record(entries, number);
      if (record == nullptr) return entries;
      // The log first, and again if another process has changed the index: each build may differ.
      BLKREWIND_TRY(log.update([&](const State& state) -> Result<format::Transaction> {
        const auto* written = state.disk(number);
        if (written != nullptr && *written == *record) return format::Transaction{};
        format::Transaction first = {*record};
        if (written == nullptr) first.insert(first.end(), more.log.begin(), more.log.end());
        return first;
      }));
      if (more.confirm) BLKREWIND_TRY(more.confirm());
      entries.insert(entries.end(), more.index.begin(), more.index.end());
      return entries;
    });
  };
  if (made) made = fill();
  if (!made || !disks()->disks.contains(number)) {
    // What cannot be removed now is removed by remove_strays().
    if (!index_.in_doubt()) (void)home_->remove_disk(number);
  }
  return made;
}

Result<DiskNumber> Store::take_number() {
  while (true) {
    DiskNumber number = 0;
    bool is_free = false;
    BLKREWIND_TRY(index_.update([&](const State& index) -> Result<format::Transaction> {
      number = index.counters.next_disk;
      const auto log = home_->open_log(number, {header_.uuid, header_.secret});
      is_free = !log && log.error().code == Errc::kNotFound;
      if (!is_free && !log && log.error().code != Errc::kIntegrity) return fail(log.error());
      if (!is_free) return format::Transaction{};
      return format::Transaction{format::Counters{.next_disk = number + 1}};
    }));
    if (is_free) return number;
    // Another process has taken the number since, or the index is older than the disk.
    BLKREWIND_TRY(index_.refresh());
    if (disks()->counters.next_disk == number) return unnamed_disk(number);
  }
}

tl::unexpected<Error> Store::unnamed_disk(DiskNumber disk) const {
  return fail(Errc::kIntegrity,
              "the store " + folder() + " holds disk " + std::to_string(disk) +
                  ", which its index does not name: the index is older than the disk, or the disk "
                  "was put there",
              "bring the index and all disks back from one backup, or move that disk out of the "
              "store");
}

Status Store::note_disk(const format::DiskRecord& record) {
  if (const auto known = disks();
      known->disk(record.number) != nullptr && *known->disk(record.number) == index_entry(record)) {
    return {};
  }
  return index_.update([&](const State& index) -> Result<format::Transaction> {
    const auto* known = index.disk(record.number);
    format::DiskRecord entry = index_entry(record);
    if (known == nullptr || *known == entry) return format::Transaction{};
    return format::Transaction{std::move(entry)};
  });
}

Status Store::remove_disk(DiskNumber disk) {
  const auto remove = [&](const State& index) -> Result<format::Transaction> {
    const auto* record = index.disk(disk);
    if (record == nullptr) return format::Transaction{};
    BLKREWIND_TRY(check_not_shared(index, *record));
    return format::Transaction{format::DiskRemoved{disk}};
  };
  BLKREWIND_TRY(index_.update(remove, Room::kFrees));
  {
    const std::lock_guard lock(mutex_);
    open_.erase(disk);
    kept_.remove_if([&](const auto& history) { return history->disk() == disk; });
  }
  // The disk is gone; what cannot be removed now is removed by remove_strays().
  (void)home_->remove_disk(disk);
  return {};
}

Result<Error> Store::remove_lost_disk(DiskNumber disk) {
  BLKREWIND_ASSIGN(const auto lease, own(disk));
  const auto read = history(disk, Reads::kOwner);
  if (read) {
    return fail(Errc::kPrecondition, "the log of disk " + name_of(disk) + " can be read",
                "try again");
  }
  if (read.error().code != Errc::kIntegrity) return fail(read.error());
  BLKREWIND_TRY(home_->check_own_log(disk, {header_.uuid, header_.secret}));
  SegmentFiles files(*home_, disk, header_);
  BLKREWIND_ASSIGN(const auto queue, env().make_queue({.depth = 1}));
  BLKREWIND_TRY(home_->for_each_segment(disk, [&](format::SegmentId id) -> Status {
    BLKREWIND_ASSIGN(const bool own_file, files.is_left_over(id, *queue));
    if (own_file) return {};
    return fail(Errc::kPrecondition, home_->segment_name(disk, id) + " is no segment of this disk",
                "move it, or its whole folder, out of the store, then try again");
  }));
  BLKREWIND_TRY(remove_disk(disk));
  return read.error();
}

Result<std::uint64_t> Store::remove_strays() {
  BLKREWIND_TRY(check_writable());
  std::set<DiskNumber> there;
  BLKREWIND_TRY(home_->for_each_disk([&](DiskNumber disk) -> Status {
    there.insert(disk);
    return {};
  }));
  BLKREWIND_TRY(index_.make_last_record_durable());
  std::uint64_t removed = 0;
  for (const DiskNumber disk : there) {
    if (disks()->disks.contains(disk)) continue;
    // A disk that is being added has an owner.
    BLKREWIND_ASSIGN(const auto lease, home_->take_lease(disk, io::LockMode::kExclusive));
    if (lease == nullptr) continue;
    BLKREWIND_TRY(index_.make_last_record_durable());
    if (disks()->disks.contains(disk) || disks()->counters.next_disk <= disk) continue;
    BLKREWIND_TRY(home_->remove_disk(disk));
    ++removed;
  }
  return removed;
}

Status Store::add_info(DiskNumber disk, StoreInfo& info) {
  BLKREWIND_ASSIGN(const auto history, this->history(disk));
  BLKREWIND_ASSIGN(const std::uint64_t log_bytes, history->log().size_bytes());
  std::uint64_t allocated_bytes = 0;
  BLKREWIND_TRY(home_->for_each_segment(disk, [&](format::SegmentId id) -> Status {
    // A segment that was removed meanwhile counts as empty.
    allocated_bytes += home_->segment_bytes(disk, id).value_or(0);
    return {};
  }));
  info.allocated_bytes += allocated_bytes;
  info.journal_bytes += log_bytes;
  const auto state = history->state();
  for (const auto& [number, snapshot] : state->snapshots) {
    if (snapshot.state == format::SnapshotState::kAccomplished) ++info.snapshots;
  }
  info.segments += state->segments.size();
  for (const auto& [id, live_bytes] : state->segments) info.live_bytes += live_bytes;
  return {};
}

Result<StoreInfo> Store::info() {
  BLKREWIND_TRY(index_.refresh());
  const auto known = disks();
  StoreInfo info;
  info.path = folder();
  info.uuid = format::to_string(header_.uuid);
  info.format_version = header_.version;
  BLKREWIND_ASSIGN(info.journal_bytes, index_.size_bytes());
  for (const auto& [disk, record] : known->disks) {
    const Status added = add_info(disk, info);
    if (!added) {
      // Another process may have removed the disk since the index was read.
      BLKREWIND_TRY(index_.refresh());
      if (!disks()->disks.contains(disk)) continue;
    }
    ++info.disks;
    if (!added) info.unreadable_disks.push_back({record.id, record.path, added.error()});
  }
  return info;
}

}  // namespace blkrewind::store
