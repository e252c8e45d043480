#include "store/journal.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/aligned_buffer.h"
#include "format/record_codec.h"
#include "store/journal_scan.h"
#include "store/read_only_store.h"
#include "store/store_file.h"

namespace blkrewind::store {
namespace {

using format::kJournalBlockBytes;
using format::kJournalRecordsOffset;
using format::kJournalTailOffset;

// A checkpoint is worthwhile when the journal has this many times its size, and at least so many
// bytes.
constexpr std::uint64_t kCheckpointTimes = 4;
constexpr std::uint64_t kCheckpointLeastBytes = kMiB;
// Entries per record of a checkpoint: keeps each record far below the format's limit.
constexpr std::size_t kCheckpointEntries = 1024;

format::Block block_of(AlignedBuffer& buffer) {
  return format::Block(buffer.data(), kJournalBlockBytes);
}

AlignedBuffer aligned_copy(std::span<const std::byte> bytes) {
  AlignedBuffer buffer(bytes.size());
  std::memcpy(buffer.data(), bytes.data(), bytes.size());
  return buffer;
}

}  // namespace

Status Journal::create(io::Env& env, const Layout& layout, const format::StoreHeader& header) {
  BLKREWIND_ASSIGN(auto file, env.open(layout.journal(), {.access = io::Access::kReadWrite,
                                                          .create_new = true,
                                                          .in_place = true}));
  BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 4}));
  AlignedBuffer blocks(kJournalRecordsOffset);
  std::memset(blocks.data(), 0, blocks.size());
  format::encode_journal_header(header.secret, {.store = header.uuid}, block_of(blocks));
  BLKREWIND_TRY(io::write_now(*queue, *file, {0, blocks.size()}, blocks.data()));
  return io::flush_now(*queue, *file);
}

Journal::Journal(io::Env& env, Layout layout, const format::StoreHeader& header)
    : env_(env),
      layout_(std::move(layout)),
      uuid_(header.uuid),
      secret_(header.secret),
      state_(std::make_shared<const State>()) {}

std::shared_ptr<const State> Journal::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Result<std::unique_ptr<io::Queue>> Journal::make_queue() { return env_.make_queue({.depth = 4}); }

Status Journal::refresh() {
  const std::lock_guard lock(mutex_);
  return refresh_locked(false);
}

Status Journal::refresh_locked(bool have_lock) {
  BLKREWIND_ASSIGN(const host::FileId now, env_.identify(layout_.journal()));
  const bool replaced = file_ == nullptr || now != file_id_;
  if (!replaced) {
    BLKREWIND_ASSIGN(const std::uint64_t size, file_->size_bytes());
    if (size <= end_) return {};
  }
  BLKREWIND_ASSIGN(auto queue, make_queue());
  if (replaced) return replay_all(*queue, have_lock);
  JournalScan scan;
  scan.state = *state_;
  scan.end = end_;
  scan.next_sequence = next_sequence_;
  BLKREWIND_TRY(scan_records(*queue, *file_, secret_, scan));
  if (scan.records == 0) return {};
  state_ = std::make_shared<const State>(std::move(scan.state));
  end_ = scan.end;
  next_sequence_ = scan.next_sequence;
  records_ += scan.records;
  foreign_last_ = std::move(scan.last_record);
  return {};
}

Status Journal::replay_all(io::Queue& queue, bool have_lock) {
  // The name may be given to another file while it is opened: the opened file is identified only if
  // the name referred to the same file before and after.
  std::unique_ptr<io::File> file;
  BLKREWIND_ASSIGN(host::FileId id, env_.identify(layout_.journal()));
  for (bool same = false; !same;) {
    BLKREWIND_ASSIGN(file, open_store_file(env_, layout_.journal(), {}));
    BLKREWIND_ASSIGN(const host::FileId after, env_.identify(layout_.journal()));
    same = after == id;
    id = after;
  }
  // Every journal had at least this length before it was renamed into place.
  BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
  if (size < kJournalRecordsOffset) {
    return fail(Errc::kIntegrity,
                "the journal " + layout_.journal() + " is truncated: it has " +
                    std::to_string(size) + " bytes",
                "bring STORE/journal back from a backup");
  }
  AlignedBuffer block(kJournalBlockBytes);
  BLKREWIND_TRY(io::read_now(queue, *file, {0, kJournalBlockBytes}, block.data()));
  BLKREWIND_ASSIGN(const auto header,
                   format::decode_journal_header(secret_, uuid_, block_of(block)));
  // The tail before the records: it may only be behind the records that are read afterwards.
  BLKREWIND_TRY(io::read_now(queue, *file, {kJournalTailOffset, kJournalBlockBytes}, block.data()));
  const auto tail = format::decode_journal_tail(secret_, block_of(block));

  JournalScan scan;
  scan.end = kJournalRecordsOffset;
  scan.next_sequence = header.first_sequence;
  BLKREWIND_TRY(scan_records(queue, *file, secret_, scan));
  if (const auto twice = scan.state.repeated_id(); !twice.empty()) {
    return fail(Errc::kIntegrity,
                "the journal " + layout_.journal() + " has the id " + std::string(twice) + " twice",
                "bring STORE/journal back from a backup; if the store was given to you, do not "
                "trust it");
  }
  Status whole = check_journal_end(queue, *file, secret_, header, tail, scan);
  if (!whole) {
    if (have_lock) return whole;
    // An append in progress can look like damage; while the lock is held no process appends. A
    // shared lock is enough, and can be taken on a read-only store.
    BLKREWIND_ASSIGN(const auto lock,
                     env_.lock(layout_.format(), Layout::kJournalLock, io::LockMode::kShared));
    return replay_all(queue, true);
  }
  file_ = std::move(file);
  reserve_.forget();
  writable_ = false;
  file_id_ = id;
  header_ = header;
  state_ = std::make_shared<const State>(std::move(scan.state));
  end_ = scan.end;
  next_sequence_ = scan.next_sequence;
  records_ = scan.records;
  foreign_last_ = std::move(scan.last_record);
  return {};
}

Status Journal::open_for_writing() {
  if (writable_) return {};
  BLKREWIND_ASSIGN(file_,
                   open_store_file(env_, layout_.journal(), {.access = io::Access::kReadWrite}));
  writable_ = true;
  return {};
}

bool Journal::in_doubt() const {
  const std::lock_guard lock(mutex_);
  return broken_.has_value();
}

Status Journal::update(const Build& build, Room room) {
  const std::lock_guard lock(mutex_);
  if (broken_) return fail(*broken_);
  BLKREWIND_ASSIGN(
      const auto file_lock,
      read_only_store(env_.lock(layout_.format(), Layout::kJournalLock, io::LockMode::kExclusive)));
  BLKREWIND_TRY(refresh_locked(true));
  BLKREWIND_ASSIGN(const format::Transaction transaction, build(*state_));
  if (transaction.empty()) return {};
  BLKREWIND_ASSIGN(auto queue, make_queue());
  BLKREWIND_TRY(append(*queue, transaction, room));
  if (room == Room::kFrees) regain_reserve(*queue);
  if (broken_) return fail(*broken_);
  if (grown_enough()) {
    // The record is durable. A checkpoint that cannot be made now (a full file system) is made
    // later; a failure that left the journal in doubt has set broken_.
    if (auto done = checkpoint_locked(*queue); !done && broken_) return fail(*broken_);
  }
  return {};
}

// If deletes that freed nothing have used most of the reserve, the space of the records themselves
// is recovered: a checkpoint is a fraction of their size. It fits into the rest of the reserve
// after that is released. Best effort: if it fails, the next record that frees space may not fit.
void Journal::regain_reserve(io::Queue& queue) {
  const std::uint64_t whole = reserve_bytes(*state_);
  const auto fill = [&] { return reserve_.ensure(queue, *file_, {end_, 0}, Room::kAdds, whole); };
  if (fill()) return;
  const auto allocated = file_->allocated_bytes();
  const std::uint64_t checkpoint = checkpoint_bytes();
  if (!allocated || *allocated >= end_ + whole / 2 || end_ < checkpoint + whole / 4) return;
  Status done = checkpoint_locked(queue, Room::kFrees);
  if (!done && !broken_) {
    reserve_.forget();
    if (file_->truncate(end_)) done = checkpoint_locked(queue, Room::kFrees);
  }
  // The old file's blocks are free now, or the released blocks are allocated again.
  if (!broken_) (void)fill();
}

// At least: each of its records also fills up its last block.
std::uint64_t Journal::checkpoint_bytes() const {
  return kJournalRecordsOffset + align_up(state_->put_bytes(), kJournalBlockBytes);
}

bool Journal::grown_enough() const {
  return end_ > std::max(kCheckpointLeastBytes, kCheckpointTimes * checkpoint_bytes());
}

Status Journal::make_last_record_durable() {
  const std::lock_guard lock(mutex_);
  BLKREWIND_TRY(refresh_locked(false));
  if (foreign_last_.empty()) return {};
  if (broken_) return fail(*broken_);
  BLKREWIND_ASSIGN(const auto file_lock,
                   env_.lock(layout_.format(), Layout::kJournalLock, io::LockMode::kExclusive));
  BLKREWIND_TRY(refresh_locked(true));
  BLKREWIND_ASSIGN(auto queue, make_queue());
  return make_last_record_durable_locked(*queue);
}

Status Journal::make_last_record_durable_locked(io::Queue& queue) {
  if (foreign_last_.empty()) return {};
  AlignedBuffer block(kJournalBlockBytes);
  BLKREWIND_TRY(
      io::read_now(queue, *file_, {kJournalTailOffset, kJournalBlockBytes}, block.data()));
  const auto tail = format::decode_journal_tail(secret_, block_of(block));
  if (tail && tail->generation == header_.generation && tail->sequence >= next_sequence_ - 1) {
    foreign_last_.clear();
    return {};
  }
  BLKREWIND_TRY(open_for_writing());
  // Its flush may have failed: only bytes that are written again are certain to be covered by this
  // process's flush. The record is written alone, because a power cut that kept a later record and
  // lost this one would look like damage.
  const AlignedBuffer bytes = aligned_copy(foreign_last_);
  Status durable = io::write_now(queue, *file_, {end_ - bytes.size(), bytes.size()}, bytes.data());
  if (durable) durable = io::flush_now(queue, *file_);
  // Nor is it certain that the process that made the checkpoint made the file's name durable.
  if (durable) durable = env_.sync_directory(layout_.root());
  if (!durable) return break_off(std::move(durable).error());
  foreign_last_.clear();
  write_tail(queue);
  return {};
}

tl::unexpected<Error> Journal::break_off(Error error) {
  broken_ = std::move(error);
  broken_->context.emplace_back("appending to the journal");
  broken_->remedy =
      Remedy("see that its medium has room and works, then try again in a new process")
          .because("the store is read-only for this process now");
  return fail(*broken_);
}

Status Journal::append(io::Queue& queue, const format::Transaction& transaction, Room room) {
  BLKREWIND_TRY(make_last_record_durable_locked(queue));
  BLKREWIND_TRY(open_for_writing());
  for (const format::JournalEntry& entry : transaction) BLKREWIND_TRY(format::check_entry(entry));
  const std::vector<std::byte> record = format::encode_record(secret_, next_sequence_, transaction);
  if (record.size() > format::kMaxRecordPayloadBytes) {
    return fail(Errc::kInternal, "a journal record would be longer than the format allows");
  }
  const AlignedBuffer bytes = aligned_copy(record);
  State next = *state_;
  next.apply(transaction);
  BLKREWIND_TRY(reserve_.ensure(queue, *file_, {end_, bytes.size()}, room, reserve_bytes(next)));
  Status written = io::write_now(queue, *file_, {end_, bytes.size()}, bytes.data());
  if (written) written = io::flush_now(queue, *file_);
  // Whether the record is on disk can only be determined by reading it back later, and not by a
  // process that would continue as if it were not. Therefore: no more appends by this process.
  if (!written) return break_off(std::move(written).error());
  end_ += record.size();
  ++next_sequence_;
  ++records_;
  state_ = std::make_shared<const State>(std::move(next));
  write_tail(queue);
  return {};
}

void Journal::write_tail(io::Queue& queue) {
  AlignedBuffer block(kJournalBlockBytes);
  format::encode_journal_tail(secret_, {header_.generation, next_sequence_ - 1}, block_of(block));
  // A tail that cannot be written only lags behind; the record it would name is durable already.
  (void)io::write_now(queue, *file_, {kJournalTailOffset, kJournalBlockBytes}, block.data());
}

Result<bool> Journal::checkpoint(bool force) {
  const std::lock_guard lock(mutex_);
  if (broken_) return fail(*broken_);
  BLKREWIND_ASSIGN(const auto file_lock,
                   env_.lock(layout_.format(), Layout::kJournalLock, io::LockMode::kExclusive));
  BLKREWIND_TRY(refresh_locked(true));
  const std::uint64_t needed = state_->entry_count() / kCheckpointEntries + 1;
  if (!(force ? records_ > needed : grown_enough())) return false;
  BLKREWIND_ASSIGN(auto queue, make_queue());
  BLKREWIND_TRY(checkpoint_locked(*queue));
  return true;
}

Result<Journal::NewFile> Journal::write_checkpoint(io::Queue& queue, const std::string& path,
                                                   Room room) {
  NewFile made;
  BLKREWIND_ASSIGN(
      made.file,
      env_.open(path, {.access = io::Access::kReadWrite, .create_new = true, .in_place = true}));
  made.header = {uuid_, header_.generation + 1, next_sequence_};
  made.next_sequence = next_sequence_;
  made.end = kJournalRecordsOffset;
  format::Transaction puts;
  const auto write_record = [&]() -> Status {
    const AlignedBuffer record =
        aligned_copy(format::encode_record(secret_, made.next_sequence, puts));
    puts.clear();
    BLKREWIND_TRY(io::write_now(queue, *made.file, {made.end, record.size()}, record.data()));
    made.end += record.size();
    ++made.next_sequence;
    ++made.records;
    return {};
  };
  BLKREWIND_TRY(state_->for_each_put([&](const format::JournalEntry& entry) -> Status {
    puts.push_back(entry);
    return puts.size() == kCheckpointEntries ? write_record() : Status();
  }));
  if (!puts.empty()) BLKREWIND_TRY(write_record());
  // Without a tail, which would claim that the name is durable too.
  AlignedBuffer blocks(kJournalRecordsOffset);
  std::memset(blocks.data(), 0, blocks.size());
  format::encode_journal_header(secret_, made.header, block_of(blocks));
  BLKREWIND_TRY(io::write_now(queue, *made.file, {0, blocks.size()}, blocks.data()));
  // The journal that it replaces has a reserve: a new one without a reserve would be worse.
  BLKREWIND_TRY(
      made.reserve.ensure(queue, *made.file, {made.end, 0}, room, reserve_bytes(*state_)));
  BLKREWIND_TRY(io::flush_now(queue, *made.file));
  return made;
}

Status Journal::checkpoint_locked(io::Queue& queue, Room room) {
  const std::string path = Layout::temporary(layout_.journal());
  BLKREWIND_ASSIGN(const bool left_over, env_.exists(path));
  if (left_over) BLKREWIND_TRY(env_.remove(path));
  auto written = write_checkpoint(queue, path, room);
  Status named = written ? env_.rename(path, layout_.journal()) : Status(fail(written.error()));
  if (!named) {
    // It occupies space that other operations may need.
    if (written) written->file.reset();
    (void)env_.remove(path);
    return named;
  }
  if (auto synced = env_.sync_directory(layout_.root()); !synced) {
    // Either file may have the name after a power cut, so neither may be appended to.
    broken_ = std::move(synced).error();
    return fail(*broken_);
  }
  BLKREWIND_ASSIGN(file_id_, env_.identify(layout_.journal()));
  file_ = std::move(written->file);
  reserve_ = written->reserve;
  writable_ = true;
  header_ = written->header;
  end_ = written->end;
  next_sequence_ = written->next_sequence;
  records_ = written->records;
  foreign_last_.clear();
  write_tail(queue);
  return {};
}

Result<std::uint64_t> Journal::size_bytes() {
  const std::lock_guard lock(mutex_);
  BLKREWIND_TRY(refresh_locked(false));
  return end_;  // the space behind it is the reserve
}

}  // namespace blkrewind::store
