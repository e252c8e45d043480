#include "store/log.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "format/record_codec.h"

namespace blkrewind::store {
namespace {

// A checkpoint is worthwhile when the log has this many times its size, and at least so many bytes.
constexpr std::uint64_t kCheckpointTimes = 4;
constexpr std::uint64_t kCheckpointLeastBytes = kMiB;
// Entries per record of a checkpoint: keeps each record far below the format's limit.
constexpr std::size_t kCheckpointEntries = 1024;

// Set aside behind a log: enough to delete every snapshot, each of which takes two records and may
// free nothing yet, or many of them (the records' own space is regained after that), and for the
// longest record that a log of that size can need.
std::uint64_t reserve_bytes(const State& state) {
  constexpr std::uint64_t kLeast = 64 * kKiB;
  constexpr std::uint64_t kDeletesMost = 448 * kKiB;
  constexpr std::uint64_t kAnEntry = 256;  // about its size in a checkpoint
  const std::uint64_t entries = state.entry_count();
  const std::uint64_t deletes = std::min(entries * 2 * format::kLogBlockBytes, kDeletesMost);
  return align_up(kLeast + deletes + entries * kAnEntry, 64 * kKiB);
}

// Whether the entry can be in the log of that disk. A log with another one was put together from
// several.
struct Belongs {
  format::DiskNumber disk;

  bool operator()(const format::Counters&) const { return true; }
  bool operator()(const format::DiskRecord& record) const {
    return disk == format::kIndexLog || record.number == disk;
  }
  bool operator()(const format::DiskRemoved& removed) const {
    return disk == format::kIndexLog || removed.number == disk;
  }
  bool operator()(const format::GroupRecord&) const { return disk == format::kIndexLog; }
  bool operator()(const format::GroupRemoved&) const { return disk == format::kIndexLog; }
  bool operator()(const format::OriginRecord& origin) const {
    return disk == format::kIndexLog || origin.disk == disk;
  }
  bool operator()(const format::SnapshotRecord& snapshot) const {
    return disk != format::kIndexLog &&
           (snapshot.disk == disk || snapshot.state == format::SnapshotState::kTombstone);
  }
  bool operator()(const format::IntentRecord& intent) const { return is_of(intent.disk); }
  bool operator()(const format::IntentRemoved& removed) const { return is_of(removed.disk); }
  bool operator()(const format::ResetRecord& reset) const { return is_of(reset.disk); }
  bool operator()(const format::ClockRecord& clock) const { return is_of(clock.disk); }
  bool operator()(const format::NoteRecord& note) const { return is_of(note.disk); }
  bool operator()(const format::TokenRecord& token) const { return is_of(token.disk); }
  bool operator()(const auto& /*of snapshots, segments and groups by number*/) const {
    return disk != format::kIndexLog;
  }

 private:
  bool is_of(format::DiskNumber other) const { return disk != format::kIndexLog && other == disk; }
};

}  // namespace

Log::Log(std::unique_ptr<HomeLog> home, format::DiskNumber disk, const LogKey& key)
    : disk_(disk), key_(key), home_(std::move(home)), state_(std::make_shared<const State>()) {}

std::shared_ptr<const State> Log::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Status Log::refresh() {
  const std::lock_guard lock(mutex_);
  return refresh_locked();
}

Status Log::refresh_locked() {
  Head head = head_;
  State state = *state_;
  bool restarted = false;
  const HomeLog::Reader reader = {
      [&] {
        restarted = true;
        state = State();
      },
      [&](std::span<const std::byte> record) -> Status {
        const auto header = format::parse_record_header(record);
        if (!header) return fail(Errc::kInternal, "the log " + home_->name() + " has no record");
        Status applied = format::for_each_entry(*header, record, [&](const auto& entry) -> Status {
          if (!std::visit(Belongs{disk_}, entry)) {
            return fail(Errc::kIntegrity, "the log " + home_->name() + " has an entry of another",
                        "bring it back from a backup of the store; if the store was given to you, "
                        "do not trust it");
          }
          state.apply(entry);
          if (!state.is_too_large()) return {};
          return fail(Errc::kUnsupported,
                      "the log " + home_->name() + " has more entries than a store can have",
                      "use several stores; if this one was given to you, do not trust it");
        });
        if (applied) return applied;
        // Which file it is, the entry does not know.
        return fail(std::move(applied).error().while_doing("reading the log " + home_->name()));
      }};
  if (Status read = home_->read(head, reader); !read) {
    Error error = std::move(read).error();
    if (error.code != Errc::kNotFound) return fail(std::move(error));
    // It was there when it was opened: the caller has made no mistake.
    return fail(Errc::kIntegrity, "the log " + home_->name() + " is missing",
                "bring it back from a backup of the store");
  }
  if (!state.has_own_segments(disk_)) {
    return fail(Errc::kIntegrity,
                "the log " + home_->name() + " names a segment of the disk that this is a clone of",
                "bring it back from a backup of the store; if the store was given to you, do not "
                "trust it");
  }
  if (restarted) {
    if (const auto twice = state.repeated_id(); !twice.empty()) {
      return fail(Errc::kIntegrity,
                  "the log " + home_->name() + " has the id " + std::string(twice) + " twice",
                  "bring it back from a backup of the store; if the store was given to you, do not "
                  "trust it");
    }
  }
  if (head == head_) return {};
  head_ = head;
  state_ = std::make_shared<const State>(std::move(state));
  return {};
}

bool Log::in_doubt() const {
  const std::lock_guard lock(mutex_);
  return broken_.has_value();
}

void Log::set_owner(const HomeLease* lease) {
  const std::lock_guard lock(mutex_);
  owner_ = lease;
  owner_epoch_.reset();
  fenced_ = false;
}

std::uint64_t Log::epoch() const {
  const std::lock_guard lock(mutex_);
  return epoch_locked();
}

std::uint64_t Log::epoch_locked() const {
  if (owner_epoch_) return *owner_epoch_;
  return owner_ != nullptr ? owner_->epoch(head_) : head_.epoch;
}

Status Log::check_owner() const {
  if (broken_) return fail(*broken_);
  if (!fenced_) return {};
  return fail(Errc::kBusy, "another process has taken over the disk while this one worked on it",
              "see what that one did, then try again");
}

Result<std::vector<std::byte>> Log::encode(const format::Transaction& transaction) const {
  for (const format::JournalEntry& entry : transaction) BLKREWIND_TRY(format::check_entry(entry));
  std::vector<std::byte> record =
      format::encode_record(key_.secret, {disk_, head_.next_sequence, epoch_locked()}, transaction);
  if (record.size() > format::kMaxRecordPayloadBytes) {
    return fail(Errc::kInternal, "a record of a log would be longer than the format allows");
  }
  return record;
}

// What an append that did not happen means for this process. Success: build again.
Status Log::settle(AppendFailure failure) {
  switch (failure.why) {
    case NotAppended::kStale:
      return refresh_locked();
    case NotAppended::kRefused:
      return fail(std::move(failure.error));
    case NotAppended::kFenced:
      if (owner_ == nullptr) return refresh_locked();
      fenced_ = true;
      return check_owner();
    case NotAppended::kInDoubt:
      break;
  }
  broken_ = std::move(failure.error);
  broken_->context.emplace_back("appending to the log " + home_->name());
  broken_->remedy =
      Remedy("see that its medium has room and works, then try again in a new process")
          .because("the store is read-only for this process now");
  return fail(*broken_);
}

Status Log::update(const Build& build, Room room) {
  const std::lock_guard lock(mutex_);
  BLKREWIND_TRY(check_owner());
  BLKREWIND_TRY(refresh_locked());
  while (true) {
    BLKREWIND_ASSIGN(const format::Transaction transaction, build(*state_));
    if (transaction.empty()) return {};
    BLKREWIND_ASSIGN(const auto record, encode(transaction));
    State next = *state_;
    next.apply(transaction);
    const std::uint64_t epoch = epoch_locked();
    auto appended = home_->append(head_, epoch, record, {room, reserve_bytes(next)});
    if (!appended) {
      BLKREWIND_TRY(settle(std::move(appended).error()));
      continue;
    }
    head_ = *appended;
    state_ = std::make_shared<const State>(std::move(next));
    if (owner_ != nullptr) owner_epoch_ = epoch;
    break;
  }
  // The record is durable. A checkpoint that cannot be made now (a full file system) is made later;
  // a failure that left the log in doubt has set broken_.
  const bool frees = room == Room::kFrees;
  if (frees && home_->is_short_of_room(head_, {room, reserve_bytes(*state_)}, checkpoint_bytes())) {
    (void)checkpoint_locked(Room::kFrees);
  } else if (grown_enough()) {
    (void)checkpoint_locked(Room::kAdds);
  }
  if (broken_) return fail(*broken_);
  return {};
}

// At least: each of its records also fills up its last block.
std::uint64_t Log::checkpoint_bytes() const {
  return format::kLogRecordsOffset + align_up(state_->put_bytes(), format::kLogBlockBytes);
}

bool Log::grown_enough() const {
  return head_.end_bytes > std::max(kCheckpointLeastBytes, kCheckpointTimes * checkpoint_bytes());
}

Status Log::make_last_record_durable() {
  const std::lock_guard lock(mutex_);
  BLKREWIND_TRY(refresh_locked());
  while (true) {
    BLKREWIND_TRY(check_owner());
    auto durable = home_->make_durable(head_, epoch_locked());
    if (durable) return {};
    BLKREWIND_TRY(settle(std::move(durable).error()));
  }
}

Result<bool> Log::checkpoint(bool force) {
  const std::lock_guard lock(mutex_);
  BLKREWIND_TRY(check_owner());
  BLKREWIND_TRY(refresh_locked());
  const std::uint64_t needed = state_->entry_count() / kCheckpointEntries + 1;
  if (!(force ? head_.records > needed : grown_enough())) return false;
  BLKREWIND_TRY(checkpoint_locked(Room::kAdds));
  return true;
}

Status Log::checkpoint_locked(Room room) {
  while (true) {
    const std::uint64_t epoch = epoch_locked();
    // Called again where the home tries a second time.
    const auto write = [&](const HomeLog::Sink& sink) -> Status {
      std::uint64_t sequence = head_.next_sequence;
      format::Transaction puts;
      const auto write_record = [&]() -> Status {
        BLKREWIND_TRY(sink(format::encode_record(key_.secret, {disk_, sequence++, epoch}, puts)));
        puts.clear();
        return {};
      };
      BLKREWIND_TRY(state_->for_each_put([&](const format::JournalEntry& entry) -> Status {
        puts.push_back(entry);
        return puts.size() == kCheckpointEntries ? write_record() : Status();
      }));
      return puts.empty() ? Status() : write_record();
    };
    auto replaced = home_->replace(head_, epoch, {room, reserve_bytes(*state_)}, write);
    if (replaced) {
      head_ = *replaced;
      if (owner_ != nullptr) owner_epoch_ = epoch;
      return {};
    }
    BLKREWIND_TRY(settle(std::move(replaced).error()));
  }
}

Status Log::check() {
  const std::lock_guard lock(mutex_);
  return home_->check(head_);
}

Result<std::uint64_t> Log::size_bytes() {
  const std::lock_guard lock(mutex_);
  BLKREWIND_TRY(refresh_locked());
  return head_.end_bytes;  // the space behind it is the reserve
}

}  // namespace blkrewind::store
